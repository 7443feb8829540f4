"""kill -9 in the middle of each asset, then the same command again: the result is what it would have been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clones import Command

import assets
from plates.files import remove
from plates.hashes import content_hash
from plates.settings import edit
from stages.stage import Stage

pytestmark = pytest.mark.long

STAGES = assets.graph()
# Their files hold times, durations or, a SavedModel, names of its functions that TensorFlow counts.
DIFFERENT = {"dataset_card", "checkpoint", "exported_model", "model_card", "champion"}


@pytest.fixture(scope="module")
def seconds(finished: tuple[Path, Command]) -> dict[str, float]:
    """How long each asset takes here, measured when it is first asked for."""
    return {}


def versions(root: Path, stage: Stage) -> dict[str, object]:
    """The content of each output; of one that differs from run to run, which files it has."""
    return {
        path: sorted(file.name for file in (root / path).rglob("*"))
        if stage.name in DIFFERENT
        else content_hash(root / path)
        for path in stage.versioned
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


def interrupted(root: Path, after: str) -> str:
    """What `plates run` says that is told to stop, as by Ctrl-C, once it has said `after`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "DAGSTER_HOME": str(root)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if after in line:
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 1, "".join(said)
    return "".join(said)


def test_ctrl_c_says_what_is_kept_and_the_next_run_goes_on(finished: tuple[Path, Command]) -> None:
    root, _ = finished
    params = (root / "params.yaml").read_text(encoding="utf-8")
    edit.write(root / "params.yaml", {"train.steps": 400, "train.checkpoint_every": 5, "train.eval_every": 400})
    first = interrupted(root, after="step 20/400")
    assert "checkpoint: interrupted. Kept: the training up to its last saved step" in first
    assert "Traceback" not in first
    assert "Resuming after step" in interrupted(root, after="Resuming after step")
    (root / "params.yaml").write_text(params, encoding="utf-8")


def test_a_project_of_killed_runs_still_says_that_all_is_current(finished: tuple[Path, Command]) -> None:
    _, call = finished
    call("plates", "run")
    again = call("plates", "run")
    assert "Everything is up to date" in again.stdout
