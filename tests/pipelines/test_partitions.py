"""Deliveries as partitions: each has a verdict with a history, costs its own size, and can be done again."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from clones import Command

from pipelines.definitions import defs
from pipelines.deliveries import CHECK, DELIVERIES, delivery, new_deliveries, photographs_of, validate_deliveries
from plates.ccpd.scenes import generate
from plates.errors import UserError
from plates.photographs import intake
from plates.settings.project import Project

FIRST, SECOND = "2026-11-01", "2026-11-08"
KEYS = (FIRST, SECOND)


@pytest.fixture
def project(tmp_path: Path, data_ran: Path) -> Project:
    """Two deliveries of ten photographs."""
    photographs = sorted((data_ran / "scenes").rglob("ccpd_base/*.jpg"))
    for number, name in enumerate(KEYS):
        (tmp_path / "photographs" / name / "ccpd_base").mkdir(parents=True)
        for path in photographs[10 * number : 10 * number + 10]:
            shutil.copy2(path, tmp_path / "photographs" / name / "ccpd_base")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/params.yaml").write_text("data: {root: ../photographs}\n")
    return Project(tmp_path / "project")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def judge(project: Project, instance: dg.DagsterInstance, name: str) -> tuple[dg.AssetMaterialization, bool]:
    """The verdict on one delivery, and whether the check of all of them passes."""
    defs = dg.Definitions([delivery], jobs=[validate_deliveries], resources={"project": project})
    job = defs.resolve_job_def("validate_deliveries")
    result = job.execute_in_process(partition_key=name, instance=instance, run_config=QUIET)
    key = dg.AssetCheckKey(delivery.key, CHECK)
    check = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)[0]
    return result.asset_materializations_for_node("judge_delivery")[0], check.status.value == "SUCCEEDED"


@pytest.mark.parametrize("name", ["..", "../project", "2026-11-15"])
def test_a_partition_that_is_no_folder_of_data_root_is_refused(project: Project, name: str) -> None:
    with pytest.raises(UserError, match=f"is not a folder of .*: choose one of {FIRST}, {SECOND}"):
        photographs_of(project, name)


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def test_a_delivery_is_judged_by_itself_and_its_verdicts_are_kept(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.add_dynamic_partitions("deliveries", list(KEYS))
    decoded = []
    real = intake.decode_images

    def counting(images, photographs, cache, progress):  # type: ignore[no-untyped-def]
        return real(images, photographs, cache, progress=lambda _, todo: decoded.append(todo))

    monkeypatch.setattr(intake, "decode_images", counting)
    first, passed = judge(project, instance, FIRST)
    assert passed
    assert first.metadata["photographs"].value == first.metadata["labels"].value == 10
    assert set(decoded) == {10}
    decoded.clear()
    _, passed = judge(project, instance, SECOND)
    assert passed
    assert set(decoded) == {10}, "a new delivery costs its own size"
    decoded.clear()
    again, _ = judge(project, instance, FIRST)
    assert again.tags["dagster/data_version"] == first.tags["dagster/data_version"]
    assert decoded == [], "and no content is decoded twice"

    photograph = next((project.photographs / SECOND).rglob("ccpd_base/*.jpg"))
    photograph.rename(photograph.with_name("DSC0001.jpg"))
    bad, passed = judge(project, instance, SECOND)
    assert not passed
    assert bad.metadata["unparsed"].value == 1
    assert "1 of 10 names are not CCPD labels, such as DSC0001.jpg" in str(bad.description)
    _, passed = judge(project, instance, FIRST)
    assert not passed, "the other is still refused"
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(delivery.key, asset_partitions=[SECOND]), limit=10
    ).records
    labels = [one.asset_materialization.metadata["labels"].value for one in records if one.asset_materialization]
    assert labels == [9, 10], "the history, the newest first"
    assert photographs_of(project, FIRST).num_rows == 10


def test_a_folder_that_came_or_changed_is_judged_once_it_rests(project: Project, instance: dg.DagsterInstance) -> None:
    cursor = None

    def tick() -> dg.SensorResult:
        nonlocal cursor
        context = dg.build_sensor_context(instance, cursor, resources={"project": project})
        found = new_deliveries(context)
        assert isinstance(found, dg.SensorResult)
        cursor = found.cursor
        for request in found.dynamic_partitions_requests or ():
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        keys.update(request.run_key for request in found.run_requests or ())
        return found

    def judged() -> list[str | None]:
        return [request.partition_key for request in tick().run_requests or ()]

    keys: set[str | None] = set()
    assert judged() == []
    assert set(instance.get_dynamic_partitions("deliveries")) == set(KEYS)
    assert judged() == [FIRST, SECOND]
    tick()
    assert len(keys) == 2, "Dagster starts one run for a key"
    os.truncate(next((project.photographs / SECOND).rglob("*.jpg")), 100)
    assert judged() == [FIRST]
    assert judged() == [FIRST, SECOND]
    assert len(keys) == 3
    (project.root / "params.yaml").write_text("data: {root: nowhere}\n")
    assert "no folder of photographs in" in str(tick().skip_reason)


def test_a_folder_with_an_odd_name_does_not_stop_the_others(project: Project, instance: dg.DagsterInstance) -> None:
    long, photograph = "n" * 250, next((project.photographs / FIRST).rglob("*.jpg"))
    for name in (b"\xd5\xd5", long.encode()):
        folder = os.fsencode(project.photographs) + b"/" + name
        os.mkdir(folder)
        shutil.copy(photograph, os.fsdecode(folder))
    found = new_deliveries(dg.build_sensor_context(instance, None, resources={"project": project}))
    assert isinstance(found, dg.SensorResult)
    (added,) = found.dynamic_partitions_requests or ()
    assert set(added.partition_keys) == {*KEYS, long}, "a partition's name is UTF-8"
    assert photographs_of(project, long).num_rows == 1


@pytest.mark.long
def test_a_backfill_from_the_command_line(fresh: tuple[Path, Command]) -> None:
    """As the UI's: one run a partition, through the project's own queue and lock."""
    root, call = fresh
    generate(root.parent / "photographs" / FIRST, count=20, seed=1)
    (root / "params.yaml").write_text("data: {root: ../photographs}\n")
    add = (
        "import dagster as dg\nwith dg.DagsterInstance.get() as one: "
        f"one.add_dynamic_partitions({DELIVERIES.name!r}, [{FIRST!r}])"
    )
    call("env", f"DAGSTER_HOME={root}", "python", "-c", add)
    said = call("env", f"DAGSTER_HOME={root}", "dg", "launch", "--job", "validate_deliveries", "--partition", FIRST)
    assert "RUN_SUCCESS" in said.stdout + said.stderr


def test_everything_can_be_materialized_without_choosing_a_partition() -> None:
    """Dagster refuses `--select '*'`, and its UI asks for a partition, where one of the assets has partitions."""
    graph = defs.resolve_asset_graph()
    assert graph.materializable_asset_keys
    assert [key for key in graph.materializable_asset_keys if graph.get(key).partitions_def] == []
