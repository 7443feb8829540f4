"""The sensor for new photographs, on real folders and with a Dagster instance that keeps its runs."""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.sensors import new_photographs
from plates.photographs.scan import scan
from plates.settings.project import Project

DAY_NS = 24 * 3600 * 10**9


@dg.op(config_schema={"fails": dg.Field(bool, default_value=False), "judges": dg.Field(bool, default_value=True)})
def end(context: dg.OpExecutionContext) -> None:
    context.log_event(dg.AssetMaterialization("model_card"))
    if context.op_config["judges"]:
        context.log_event(dg.AssetMaterialization("champion"))
    if context.op_config["fails"]:
        raise dg.Failure("as told", allow_retries=False)


@dg.job(name="retrain")
def stand_in() -> None:
    end()


class World:
    """A project with ten photographs that were scanned, and a Dagster that looks at them."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.project, self.photographs, self.instance = Project(root), root / "photographs", instance
        self.cursor: str | None = None
        (self.photographs / "one").mkdir(parents=True)
        self.settings()
        for number in range(10):
            self.photograph(f"one/{number}.jpg")
        self.scan()
        self.tick()

    def settings(self, **values: float) -> None:
        lines = [f"  {name}: {value}" for name, value in ({"settle_minutes": 0} | values).items()]
        content = f"data: {{root: {self.photographs}}}\nretrain:\n" + "\n".join(lines) + "\n"
        (self.project.root / "params.yaml").write_text(content)

    def photograph(self, name: str, size: int = 100) -> Path:
        path = self.photographs / name
        path.write_bytes(b"x" * size)
        return path

    def scan(self) -> None:
        scan(self.photographs, self.project.scan_cache)

    def tick(self) -> str | dg.RunRequest:
        """One look, by a sensor that was just started: the run that it asks for, or why it asks for none."""
        context = dg.build_sensor_context(self.instance, self.cursor, resources={"project": self.project})
        found = new_photographs.evaluate_tick(context)
        self.cursor = found.cursor
        return found.run_requests[0] if found.run_requests else found.skip_message or "nothing said"

    def settled(self) -> str | dg.RunRequest:
        """The second of two looks."""
        self.tick()
        return self.tick()

    def run(self, request: str | dg.RunRequest, fails: bool = False, judges: bool = True) -> str:
        """Runs what was asked for: the scan, and whatever becomes of the rest. The beginning of its id."""
        assert isinstance(request, dg.RunRequest), request
        self.scan()
        config = {"ops": {"end": {"config": {"fails": fails, "judges": judges}}}}
        done = stand_in.execute_in_process(config, instance=self.instance, tags=request.tags, raise_on_error=False)
        assert done.success != fails
        return done.run_id[:8]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, instance)


NOTHING = "no photograph was added, changed or removed since the last scan"


def test_nothing_new_is_said_so(world: World) -> None:
    assert world.tick() == world.tick() == NOTHING


def test_a_run_is_asked_for_once_the_folders_rest(world: World) -> None:
    world.photograph("one/new.jpg")
    assert "have changed" in str(world.tick())
    world.photograph("one/newer.jpg")
    assert "have changed" in str(world.tick())
    request = world.tick()
    run = world.run(request)
    assert world.tick() == f"run {run} has seen these photographs"


def test_two_looks_that_agree_are_not_enough_before_the_time(world: World) -> None:
    world.settings(settle_minutes=30)
    world.photograph("one/new.jpg")
    assert "until they are stable for 30 min" in str(world.settled())
    cursor = json.loads(world.cursor or "")
    world.cursor = json.dumps({**cursor, "since": cursor["since"] - 1801})
    assert isinstance(world.tick(), dg.RunRequest)


def test_a_clock_that_was_put_back_delays_and_does_not_blind(world: World) -> None:
    world.settings(settle_minutes=30)
    world.photograph("one/new.jpg")
    world.tick()
    cursor = json.loads(world.cursor or "")
    world.cursor = json.dumps({**cursor, "since": cursor["since"] + 10**9})
    assert "have changed" in str(world.tick())
    assert json.loads(world.cursor)["since"] <= cursor["since"] + 100


@pytest.mark.parametrize("cursor", ["12:1732789", "{}", "[]", "{", "null", '{"fingerprint": 1, "since": "x"}'])
def test_a_cursor_that_is_none_of_its_own_is_a_first_look(world: World, cursor: str) -> None:
    world.photograph("one/new.jpg")
    world.cursor = cursor
    assert "have changed" in str(world.tick())
    assert isinstance(world.tick(), dg.RunRequest)


def test_a_half_copied_photograph_is_looked_at_again(world: World) -> None:
    world.photograph("one/slow.jpg", size=50)
    run = world.run(world.settled())
    with open(world.photographs / "one/slow.jpg", "ab") as rest:
        rest.write(b"y" * 50)
    request = world.settled()
    assert world.run(request) != run


def test_a_photograph_that_grows_is_waited_for(world: World) -> None:
    for size in range(10, 15):
        world.photograph("one/slow.jpg", size)
        assert "have changed" in str(world.tick())


def test_folders_that_keep_their_times_are_seen(world: World, tmp_path: Path) -> None:
    """As `tar -xp` and `cp -a` leave them."""
    packed = tmp_path / "packed/two"
    shutil.copytree(world.photographs / "one", packed)
    for path in (*packed.iterdir(), packed, world.photographs):
        os.utime(path, ns=(DAY_NS, DAY_NS))
    before = os.stat(world.photographs).st_mtime_ns
    with tarfile.open(tmp_path / "two.tar", "w") as archive:
        archive.add(packed, "two")
    with tarfile.open(tmp_path / "two.tar") as archive:
        archive.extractall(world.photographs)
    os.utime(world.photographs, ns=(before, before))
    assert os.stat(world.photographs / "two").st_mtime_ns == DAY_NS
    assert isinstance(world.settled(), dg.RunRequest)


def test_a_folder_dated_in_the_future_does_not_blind(world: World) -> None:
    future = os.stat(world.photographs).st_mtime_ns + 1000 * DAY_NS
    os.utime(world.photographs / "one", ns=(future, future))
    assert world.settled() == NOTHING
    (world.photographs / "two").mkdir()
    world.photograph("two/new.jpg")
    os.utime(world.photographs / "one", ns=(future, future))
    assert isinstance(world.settled(), dg.RunRequest)


def test_a_photograph_that_is_replaced_or_removed_counts(world: World) -> None:
    world.photograph("one/1.jpg", size=200)
    world.run(world.settled())
    (world.photographs / "one/2.jpg").unlink()
    world.run(world.settled())


def test_other_permissions_train_nothing(world: World) -> None:
    for path in (world.photographs / "one").iterdir():
        path.chmod(0o600)
    assert world.settled() == NOTHING


def test_too_few_photographs_wait_for_more(world: World) -> None:
    world.settings(min_new=3)
    world.photograph("one/new.jpg")
    (world.photographs / "one/3.jpg").unlink()
    said = "since the last scan 1 added, 0 changed, 1 removed: fewer than retrain.min_new, 3"
    assert world.settled() == said
    world.photograph("one/newer.jpg")
    assert isinstance(world.settled(), dg.RunRequest)


def test_a_run_that_failed_is_tried_again_and_not_for_ever(world: World) -> None:
    world.settings(attempts=3)
    world.photograph("one/new.jpg")
    first = world.settled()
    keys = set()
    for _ in range(3):
        request = world.tick()
        run = world.run(request, fails=True)
        assert isinstance(request, dg.RunRequest)
        keys.add(request.run_key)
    assert len(keys) == 3  # Dagster starts one run for a key
    assert isinstance(first, dg.RunRequest)
    said = str(world.tick())
    assert said.startswith(f"3 runs on these photographs failed, the last of them {run}")
    world.settings(attempts=3, min_new=1000)
    world.photograph("one/newer.jpg")
    world.run(world.settled())
    assert "has seen these photographs" in str(world.tick())


def test_what_failed_and_then_went_through_by_another_door_is_not_tried_again(world: World) -> None:
    world.photograph("one/new.jpg")
    world.run(world.settled(), fails=True)
    stand_in.execute_in_process(instance=world.instance)
    assert world.tick() == NOTHING


@pytest.mark.parametrize("judges", [True, False])
def test_a_run_that_failed_late_has_failed(world: World, judges: bool) -> None:
    """Its record was written, or even its model judged, before the asset that failed."""
    world.photograph("one/new.jpg")
    world.run(world.settled(), fails=True, judges=judges)
    assert isinstance(world.tick(), dg.RunRequest)


def test_a_run_at_work_is_waited_for(world: World) -> None:
    world.photograph("one/new.jpg")
    request = world.settled()
    assert isinstance(request, dg.RunRequest)
    run = world.instance.create_run_for_job(stand_in, status=dg.DagsterRunStatus.STARTED, tags=request.tags)
    world.scan()
    world.photograph("one/newer.jpg")
    assert world.settled() == f"run {run.run_id[:8]} is in progress"


def test_what_is_not_there_is_not_taken_for_removed(world: World) -> None:
    shutil.move(world.photographs / "one", world.project.root / "elsewhere")
    assert "is its disk mounted?" in str(world.settled())
    world.photographs.rmdir()
    assert "does not exist yet" in str(world.settled())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_not_taken_for_removed(world: World) -> None:
    (world.photographs / "one").chmod(0)
    try:
        assert "cannot be read: one: Permission denied" in str(world.settled())
    finally:
        (world.photographs / "one").chmod(0o700)


def test_before_any_scan_nothing_is_trained(world: World) -> None:
    world.project.scan_cache.unlink()
    world.photograph("one/new.jpg")
    assert "there is no scan yet" in str(world.settled())


def test_runs_of_another_clone_under_the_same_instance_do_not_count(
    tmp_path: Path, instance_of_two: dg.DagsterInstance
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "own").mkdir()
    other, own = World(tmp_path / "other", instance_of_two), World(tmp_path / "own", instance_of_two)
    other.photograph("one/new.jpg")
    other.run(other.settled(), fails=True)
    assert own.settled() == NOTHING
    assert isinstance(other.tick(), dg.RunRequest), "its own failed run is tried again"


@pytest.fixture
def instance_of_two() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
