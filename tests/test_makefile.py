"""`make` hands what a user gives it on as it is."""

import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def make(folder: Path, *words: str) -> list[str]:
    """What `make` gives to `plates`, one word a line."""
    (folder / "plates").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (folder / "plates").chmod(0o755)
    ready = folder / "ready"  # newer than what the environment is made from
    ready.touch()
    command = ["make", "-s", "-C", str(ROOT), f"BIN={folder}", f"READY={ready}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("given", ["/photos", "/a/my photos", "/a/$x $(y)", '/it\'s "mine"', "/a & b; c > d", "~/a*"])
def test_any_path_reaches_the_run(tmp_path: Path, given: str) -> None:
    assert make(tmp_path, "run", f"DATA={given}") == ["run", "--data", given]


def test_without_data_the_run_is_of_the_sample(tmp_path: Path) -> None:
    assert make(tmp_path, "run") == ["run"]


def test_the_port_reaches_the_ui(tmp_path: Path) -> None:
    assert make(tmp_path, "ui") == ["ui"]
    assert make(tmp_path, "ui", "PORT=3001") == ["ui", "--port", "3001"]


def test_an_environment_knows_its_clone(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    subprocess.run(["make", "-s", "-C", str(ROOT), f"BIN={tmp_path}/env/bin", "home"], check=True)
    show = [f"{tmp_path}/env/bin/python", "-c", "import os; print(os.environ['DAGSTER_HOME'])"]
    assert subprocess.check_output(show, env={}, text=True) == f"{ROOT}\n"
    assert subprocess.check_output(show, env={"DAGSTER_HOME": "/other"}, text=True) == "/other\n"
