"""A power cut at any moment of any write leaves the old content or the new, and the same write then goes through."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from power.disk import lay_out, logged

from plates.files import atomic, put_back, write_json, write_parquet

Content = dict[str, bytes]


def content(path: Path) -> Content | None:
    """What a reader finds at a file or folder: names and bytes; None where there is nothing."""
    put_back(path)
    if path.is_dir():
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return {"": path.read_bytes()} if path.exists() else None


def write_folder(target: Path, text: str) -> None:
    with atomic(target) as folder:
        folder.mkdir()
        for number in range(14):
            (folder / f"{number}.txt").write_text(f"{text} {number} " * 20)
        write_json(folder / "numbers.json", {"text": text * 50})
        (folder / "inner").mkdir()
        (folder / "inner" / "last.txt").write_text(text * 100)


def write_table(target: Path, text: str) -> None:
    write_parquet(target, pd.DataFrame({"text": [text] * 100}))


def write_two_after_each_other(target: Path, text: str) -> None:
    """The way of shards: each is a file of its own, then the folder takes them by links."""
    work = target.with_name("work")
    for number in range(6):
        with atomic(work / f"{number}.bin") as file:
            file.write_bytes(f"{text}{number}".encode() * 40)
    with atomic(target) as folder:
        folder.mkdir()
        for number in range(6):
            (folder / f"{number}.bin").hardlink_to(work / f"{number}.bin")
    shutil.rmtree(work)


WRITERS: dict[str, Callable[[Path, str], None]] = {
    "json": lambda target, text: write_json(target, {"text": text * 100}),
    "parquet": write_table,
    "folder": write_folder,
    "shards": write_two_after_each_other,
}


AT_LEAST = {"json": 15, "parquet": 15, "folder": 800, "shards": 120}
"""Different states that are looked at, close to 1,000 together."""


@pytest.mark.parametrize("name", WRITERS)
def test_old_or_new_never_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, root = WRITERS[name], tmp_path / "disk"
    target = root / "target"
    root.mkdir()
    allowed: list[Content | None] = [None]
    count = 0
    for text in ("old", "new", "newer"):
        with logged(root, monkeypatch) as log:
            write(target, text)
        allowed = [allowed[-1], content(target)]
        for number, state in enumerate(log.states()):
            crashed = tmp_path / "crashed"
            lay_out(state, crashed)
            found = content(crashed / "target")
            assert found in allowed, f"{text}, state {number}: {state.keys()}"
            if number % 50 == 0:
                write(crashed / "target", text)
                assert content(crashed / "target") == allowed[-1]
            shutil.rmtree(crashed, ignore_errors=True)
            count += 1
    assert count >= AT_LEAST[name]


def test_the_model_of_the_disk_sees_a_write_that_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename without a sync before it may leave an empty file: the model must say so, or it proves nothing."""
    root = tmp_path / "disk"
    root.mkdir()
    (root / "target").write_text("old")
    with logged(root, monkeypatch) as log:
        (root / "other").write_text("new")
        (root / "other").rename(root / "target")
    assert {state["target"] for state in log.states()} == {b"old", b"new", b"n", b""}
