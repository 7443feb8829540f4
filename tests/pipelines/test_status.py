"""`plates status` says in one screen where the project is."""

from pathlib import Path

import pytest
from clones import Command

from plates.settings import edit

pytestmark = pytest.mark.slow


def test_one_screen_says_what_is_in_service_what_failed_and_what_is_to_make(finished: tuple[Path, Command]) -> None:
    root, call = finished
    said = call("plates", "status").stdout
    assert "in service  record " in said
    assert "the first model in service" in said
    assert "running     nothing" in said
    assert "to make     nothing" in said
    edit.write(root / "params.yaml", edit.parse(["train.steps=13"]))
    (root / "data/raw_images.parquet").unlink()
    call("plates", "materialize", "labels", check=False)
    said = call("plates", "status").stdout
    assert "plates materialize: failed at labels: needs data/raw_images.parquet, which is not there yet" in said
    (line,) = [line for line in said.splitlines() if line.startswith("to make")]
    assert "raw_images (data/raw_images.parquet is gone), preflight (train.steps 12 -> 13), checkpoint" in line
    assert "; after that labels, boxes," in line
    assert len(said.splitlines()) == 5


def test_before_the_first_run_each_line_says_what_to_do(fresh: tuple[Path, Command]) -> None:
    _, call = fresh
    said = call("python", "-m", "pipelines.cli", "status").stdout
    assert "in service  no model yet: plates run" in said
    assert "last run    none yet: plates run" in said
    assert "raw_images (not made yet)" in said
