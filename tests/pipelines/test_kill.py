"""kill -9 in the middle of an asset, then the same command again: the result is what it would have been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lineage.files import remove
from lineage.versions import content_hash

pytestmark = pytest.mark.long

# What each asset writes, and how long it works before the kill, in seconds after its first line of work.
OUTPUTS = {
    "raw_images": ["data/raw_images.parquet"],
    "boxes": ["data/boxes.parquet", "data/rejected.parquet"],
    "tfrecords": ["data/tfrecords"],
    "exported_model": ["metrics/evaluation.json"],
}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("delay", [2.5, 4.5])
def test_killed_and_run_again(finished, name: str, delay: float) -> None:
    root, call = finished
    before = {path: content_hash(root / path) for path in OUTPUTS[name]}
    if name == "raw_images":
        remove(root / "data/sample")
        remove(root / ".plates/sample.json")
    for path in before:
        if name != "exported_model":
            remove(root / path)
    environment = {**os.environ, "PYTHONPATH": str(root), "DAGSTER_HOME": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "materialize", name],
        cwd=root,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    call("plates", "materialize", name)
    assert {path: content_hash(root / path) for path in before} == before
    leftovers = [path for path in root.rglob("*.tmp") if ".git" not in path.parts and ".plates" not in path.parts]
    assert leftovers == []


def test_a_project_of_killed_runs_still_says_that_all_is_current(finished: tuple[Path, object]) -> None:
    _, call = finished
    again = call("plates", "run")  # type: ignore[operator]
    assert "Running stage 'checkpoint'" not in again.stdout
