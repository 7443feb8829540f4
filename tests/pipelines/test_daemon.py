"""Retraining without hands: the real daemon, the real service, and deliveries of every kind. `docs/retraining.md`."""

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from clones import Command
from served import served

from plates.ccpd.scenes import generate
from plates.files import read_json
from plates.lineage import champion
from plates.settings import edit

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]

PATIENCE_S = 1800
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
RUNS = "{runsOrError{...on Runs{results{runId status creationTime pipelineName tags{key value}}}}}"


class World:
    """A project whose sensor is on, its Dagster with webserver and daemon, and the service beside it."""

    def __init__(self, root: Path, call: Command, scenes: list[Path]) -> None:
        self.root, self.call, self.scenes = root, call, scenes
        self.photographs = root.parent / "photographs"
        self._stack, self._dagster, self.service = ExitStack(), ExitStack(), ""

    def prepare(self) -> None:
        """The sample becomes a folder of the user's; sensors look every second, and lost runs are looked for."""
        shutil.copytree(self.root / "data/sample", self.photographs)
        self.settings({"data.root": "../photographs", "retrain.settle_minutes": 0.1, "gate.margin": 1.0})
        self.settings({"train.steps": 3, "train.eval_every": 3})
        self.settings({"retrain.on_failure": "cat >> told.txt"})
        for file, slow, fast in (
            ("pipelines/sensors.py", "minimum_interval_seconds=60", "minimum_interval_seconds=1"),
            ("pipelines/failures.py", "minimum_interval_seconds=30", "minimum_interval_seconds=1"),
            ("dagster.yaml", "run_monitoring:\n", "run_monitoring:\n  poll_interval_seconds: 2\n"),
        ):
            text = (self.root / file).read_text(encoding="utf-8")
            assert slow in text
            (self.root / file).write_text(text.replace(slow, fast), encoding="utf-8")
        self.call("dagster", "sensor", "start", "new_photographs", "--workspace", "workspace.yaml")
        self.service = self._stack.enter_context(served(self.root, "plates", "serve", "--port="))
        self.start()

    def settings(self, values: dict[str, Any]) -> None:
        edit.write(self.root / "params.yaml", values)

    def start(self) -> None:
        """Starts Dagster, as `plates ui` does."""
        self.dagster = self._dagster.enter_context(served(self.root, "plates", "ui", "--port="))

    def stop(self) -> None:
        """Ends Dagster by Ctrl-C."""
        self._dagster.close()

    def close(self) -> None:
        self.stop()
        self._stack.close()

    def runs(self) -> list[dict[str, Any]]:
        """The runs that the sensor asked for, the newest first."""
        body = json.dumps({"query": RUNS}).encode()
        request = urllib.request.Request(f"http://{self.dagster}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)["data"]["runsOrError"]["results"]
        made = [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]
        return [run for run in made if run["pipelineName"] == "retrain"]

    def next_run(self, before: int) -> dict[str, Any]:
        """The run after the first `before`, once it ended."""
        wait(lambda: len(self.runs()) > before, "a run began")
        number = -1 - before
        wait(lambda: self.runs()[number]["status"] in ENDED, "the run ended")
        return self.runs()[number]

    def deliver(self, count: int, rename: Callable[[str], str] = lambda name: name) -> list[Path]:
        """Copies the next scenes to the photographs, each in two halves."""
        made = []
        for scene in [self.scenes.pop() for _ in range(count)]:
            target = self.photographs / "CCPD2019" / scene.parent.name / rename(scene.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = scene.read_bytes()
            with target.open("wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                time.sleep(0.5)
                file.write(content[len(content) // 2 :])
            made.append(target)
        return made

    def status(self) -> dict[str, str]:
        """What `plates status` says, by its headings."""
        said = self.call("plates", "status").stdout
        print(said)
        return {line[:12].strip(): line[12:] for line in said.splitlines()}

    def in_service(self) -> str:
        """The record that the champion's pointer names."""
        return str(read_json(self.root / champion.POINTER)["record"])

    def served(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self.service}/metadata", timeout=60) as answer:
            return dict(json.load(answer))

    def count(self) -> int:
        import pyarrow.parquet as pq

        return int(pq.read_metadata(self.root / "data/raw_images.parquet").num_rows)

    def training(self) -> None:
        """Waits until a run takes steps."""
        history, began = self.root / "metrics/history.csv", time.time()
        wait(lambda: history.exists() and history.stat().st_mtime > began, "training took a step")


def wait(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def world(finished: tuple[Path, Command], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    scenes = generate(tmp_path_factory.mktemp("scenes") / "CCPD2019", count=80, seed=7)
    world = World(*finished, [scenes.folder / path for path in scenes.paths])
    try:
        world.prepare()
        yield world
    finally:
        world.close()


def test_photographs_arrive_and_the_service_has_what_came_of_them(world: World) -> None:
    first, before, held = world.in_service(), len(world.runs()), world.count()
    world.deliver(8)
    copied = time.time()
    run = world.next_run(before)
    assert run["status"] == "SUCCESS"
    assert run["creationTime"] > copied, "no run while photographs were being copied"
    assert world.count() == held + 8
    record = run["tags"]["plates/record"]
    assert world.in_service() == record != first
    wait(lambda: world.served()["model"] == record, "the service has the next champion")
    assert world.served()["record"] == record
    said = world.status()
    assert record[:8] in said["in service"]
    assert said["to make"].startswith("nothing")
    assert f"new_photographs is on (run {run['runId'][:8]} has seen these photographs)" in said["automatic"]


def test_what_arrives_while_dagster_is_down_is_taken_in_by_one_run(world: World) -> None:
    """The sensor's ticks that were missed are not made up for one by one."""
    before, held = len(world.runs()), world.count()
    world.stop()
    world.deliver(2)
    world.deliver(2)
    world.start()
    assert world.next_run(before)["status"] == "SUCCESS"
    assert world.count() == held + 4
    wait(lambda: "has seen these photographs" in world.status()["automatic"], "the sensor looked again")
    assert len(world.runs()) == before + 1


def test_broken_labels_stop_the_run_and_a_worse_model_is_refused(world: World) -> None:
    """What is in service stays there through both. No model of three steps has the mAP that the gate then asks for."""
    first, before = world.in_service(), len(world.runs())
    bad = world.deliver(4, lambda name: f"DSC{name[-9:]}")
    failed = [world.next_run(before), world.next_run(before + 1)]
    assert [run["status"] for run in failed] == ["FAILURE", "FAILURE"]
    wait(lambda: "2 runs on these photographs failed" in world.status()["automatic"], "no third run")
    said = world.status()["last run"]
    broken = sum(path.parent.name != "ccpd_np" for path in bad)  # which has no plates, and so no labels
    assert f"failed at labels: {broken} of " in said
    assert "are not CCPD labels" in said
    wait(lambda: (world.root / "told.txt").exists(), "retrain.on_failure was told")
    assert said.partition("labels: ")[2][:40] in (world.root / "told.txt").read_text(encoding="utf-8")
    assert world.in_service() == first == world.served()["model"]

    world.settings({"gate.min_value": 1.0})
    for path in bad:
        path.unlink()
    world.deliver(8)
    run = world.next_run(before + 2)
    assert run["status"] == "SUCCESS"
    record = run["tags"]["plates/record"]
    assert world.in_service() == first == world.served()["model"] != record
    decision = champion.decisions(world.root)[-1]
    assert (decision.challenger, decision.promoted) == (record, False)
    said = world.status()["in service"]
    assert f"The last challenger, {record[:8]}, was refused" in said
    assert decision.reason in said
    world.settings({"gate.min_value": 0.0})


def test_what_comes_during_training_waits_and_a_restart_loses_nothing(world: World) -> None:
    before = len(world.runs())
    world.settings({"train.steps": 100, "train.checkpoint_every": 2, "train.eval_every": 100})
    world.deliver(3)
    world.training()
    world.deliver(3)
    held = sum(1 for _ in world.photographs.rglob("*.jpg"))
    wait(lambda: "is in progress" in world.status()["automatic"], "the second delivery waits")
    assert len(world.runs()) == before + 1
    world.stop()
    world.settings({"train.steps": 3, "train.eval_every": 3})
    world.start()
    assert world.next_run(before)["status"] in ("FAILURE", "CANCELED"), "the run that Dagster was stopped in"
    assert world.next_run(before + 1)["status"] == "SUCCESS"
    assert world.count() == held, "one run on both deliveries"
