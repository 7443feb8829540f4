"""`make` hands what a user gives it on as it is."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def make(folder: Path, *words: str) -> list[str]:
    """What `make` gives to `plates`, one word a line."""
    (folder / "plates").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (folder / "plates").chmod(0o755)
    command = ["make", "-s", "-C", str(ROOT), f"BIN={folder}", "READY=Makefile", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("given", ["/photos", "/a/my photos", "/a/$x $(y)", '/it\'s "mine"', "/a & b; c > d", "~/a*"])
def test_any_path_reaches_the_run(tmp_path: Path, given: str) -> None:
    assert make(tmp_path, "run", f"DATA={given}") == ["run", "--data", given]


def test_without_data_the_run_is_of_the_sample(tmp_path: Path) -> None:
    assert make(tmp_path, "run") == ["run"]


def test_the_port_reaches_the_ui(tmp_path: Path) -> None:
    assert make(tmp_path, "ui") == ["ui"]
    assert make(tmp_path, "ui", "PORT=3001") == ["ui", "--port", "3001"]
