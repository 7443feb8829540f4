"""kill -9 in the middle of each asset, then the same command again: the result is what it would have been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clones import ROOT, Command

from assets.stage import Stage, stages
from lineage.files import remove
from lineage.versions import content_hash

pytestmark = pytest.mark.long

STAGES = stages(ROOT)
TIMED = {"dataset_card", "checkpoint", "model_card", "champion"}  # their files hold times or durations


@pytest.fixture(scope="module")
def seconds(finished: tuple[Path, Command]) -> dict[str, float]:
    """How long each asset takes here, measured when it is first asked for."""
    return {}


def versions(root: Path, stage: Stage) -> dict[str, object]:
    """The content of each output; of one that differs from run to run, which files it has."""
    return {
        path: sorted(file.name for file in (root / path).rglob("*"))
        if stage.name in TIMED
        else content_hash(root / path)
        for path in stage.outputs
    }


def start_over(root: Path, name: str) -> None:
    if name == "raw_images":
        remove(root / "data/sample")
        remove(root / ".plates")


@pytest.mark.parametrize("share", [0.6, 0.8, 0.97])
@pytest.mark.parametrize("name", STAGES)
def test_killed_and_run_again(finished, seconds: dict[str, float], name: str, share: float) -> None:
    root, call = finished
    if name not in seconds:
        start_over(root, name)
        begin = time.monotonic()
        call("plates", "materialize", name)
        seconds[name] = time.monotonic() - begin
    before = versions(root, STAGES[name])
    start_over(root, name)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "materialize", name],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "DAGSTER_HOME": str(root)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(share * seconds[name])
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert versions(root, STAGES[name]) == before, "a killed run leaves the old or the new, never a half"
    call("plates", "materialize", name)
    assert versions(root, STAGES[name]) == before
    leftovers = [path for path in root.rglob("*.tmp") if not {".git", ".plates", ".dvc"} & set(path.parts)]
    assert leftovers == []


def test_a_project_of_killed_runs_still_says_that_all_is_current(finished: tuple[Path, Command]) -> None:
    _, call = finished
    call("plates", "run")
    again = call("plates", "run")
    assert "Running stage 'checkpoint'" not in again.stdout
