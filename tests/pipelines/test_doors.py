"""Whichever door a result came through, both doors hold it for current, and the record is there."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from clones import Command
from served import served

import assets
from pipelines import restored
from plates.lineage.record import read_all
from plates.settings import edit
from plates.settings.project import Project

pytestmark = pytest.mark.slow

CURRENT = {"dvc": {"raw_images": ["always changed"]}, "dagster": {}}
Door = Callable[[Path, Command, int], object]


def state(call: Command) -> Any:
    """What each door calls stale."""
    script = Path(__file__).with_name("stale_in_both_doors.py")
    return json.loads(call("python", str(script)).stdout.splitlines()[-1])


def put(root: Path, **settings: int) -> None:
    edit.write(
        root / "params.yaml", edit.parse([f"{key.replace('__', '.')}={value}" for key, value in settings.items()])
    )


def told(root: Path) -> list[str]:
    """Reports to Dagster what DVC brought back, as `results_of_dvc` does in the UI within a minute."""
    with contextlib.chdir(root), dg.DagsterInstance.from_config(str(root)) as instance:
        return restored.report(root, instance)


def test_what_the_launchpad_sets_and_dvc_restores_is_current_in_both(
    finished: tuple[Path, Command],
) -> None:
    root, call = finished
    config = {"resources": {"project": {"config": {"split": {"seed": 1}}}}}
    call("dg", "launch", "--assets", "splits", "--config-json", json.dumps(config))
    assert Project(root).params.split.seed == 1, "what the launchpad sets is written to params.yaml"
    assert "splits" not in state(call)["dvc"]
    assert "splits" not in state(call)["dagster"]
    put(root, split__seed=0)
    assert "Stage 'splits' is cached" in call("dvc", "repro", "splits").stdout
    assert state(call)["dagster"]["splits"] == ["has a new code version"]
    assert told(root) == ["splits"]
    assert told(root) == []
    with contextlib.chdir(root), dg.DagsterInstance.from_config(str(root)) as instance:
        shown = instance.get_latest_materialization_event(dg.AssetKey("splits")).asset_materialization
    assert "from DVC's cache" in shown.description
    assert "seconds" in shown.metadata, "its figures are those of the run that made it"
    assert state(call) == CURRENT


def plates_run(root: Path, call: Command, steps: int) -> None:
    call("plates", "run", "--set", f"train.steps={steps}")


def dvc_repro(root: Path, call: Command, steps: int) -> None:
    put(root, train__steps=steps)
    call("dvc", "repro")


def dagster(root: Path, call: Command, steps: int) -> None:
    put(root, train__steps=steps)
    call("dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", "*")


def dg_launch(root: Path, call: Command, steps: int) -> None:
    put(root, train__steps=steps)
    call("dg", "launch", "--assets", "*")


def webserver(root: Path, call: Command, steps: int) -> None:
    put(root, train__steps=steps)
    launch = """mutation ($selector: JobOrPipelineSelector!) {
        launchRun(executionParams: {selector: $selector, runConfigData: {}}) {
            __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
    selector = {
        "repositoryLocationName": "plates",
        "repositoryName": "__repository__",
        "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": [name]} for name in assets.graph()],
    }
    with served(root, "plates", "ui", "--port=") as address:
        launched = ask(address, launch, selector=selector)["launchRun"]
        status = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        deadline = time.monotonic() + 1800
        while (found := ask(address, status, id=launched["run"]["runId"])["runOrError"]["status"]) != "SUCCESS":
            assert found not in ("FAILURE", "CANCELED"), found
            assert time.monotonic() < deadline, found
            time.sleep(1)


def ask(address: str, query: str, **variables: Any) -> Any:
    """The answer of Dagster's GraphQL."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"http://{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        answer = json.load(reply)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def exp_run(root: Path, call: Command, steps: int) -> None:
    commit(call)
    call("dvc", "exp", "run", "-S", f"train.steps={steps}")


def exp_run_temp(root: Path, call: Command, steps: int) -> None:
    commit(call)
    call("dvc", "exp", "run", "--temp", "--name", f"temp-{steps}", "-S", f"train.steps={steps}")
    call("dvc", "exp", "apply", f"temp-{steps}")


def exp_queue(root: Path, call: Command, steps: int) -> None:
    commit(call)
    call("dvc", "exp", "run", "--queue", "--name", f"queue-{steps}", "-S", f"train.steps={steps}")
    call("dvc", "queue", "start")
    deadline = time.monotonic() + 1800
    while "Success" not in (status := call("dvc", "queue", "status").stdout):
        assert "Failed" not in status, call("dvc", "queue", "logs", f"queue-{steps}").stdout
        assert time.monotonic() < deadline, status
        time.sleep(2)
    call("dvc", "exp", "apply", f"queue-{steps}")


def commit(call: Command) -> None:
    call("git", "add", "--all")
    call("git", "commit", "--quiet", "--allow-empty", "-m", "before an experiment")


@pytest.mark.long
@pytest.mark.timeout(7200)  # six doors, a whole run each
@pytest.mark.parametrize(
    "doors",
    [
        [(dagster, 8), (dvc_repro, 12), (exp_run_temp, 9), (dg_launch, 8), (exp_run, 12), (webserver, 9)],
        [(exp_queue, 10), (webserver, 12), (plates_run, 10), (exp_run, 11), (dvc_repro, 10), (dagster, 11)],
    ],
    ids=["one order", "another"],
)
def test_after_each_door_nothing_is_stale(finished: tuple[Path, Command], doors: list[tuple[Door, int]]) -> None:
    """With steps that were trained before, which DVC takes from its cache, and steps that were not."""
    root, call = finished
    for door, steps in doors:
        door(root, call, steps)
        told(root)
        assert state(call) == CURRENT, door.__name__
        assert steps in {record.params["train"]["steps"] for record in read_all(root)}, door.__name__
