"""What disks, databases and DVC say when they fail, made to happen for real where this machine allows it."""

import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from plates.errors import UserError
from plates.files import write_parquet
from stages.faults import dvc_in_words, in_words


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file systems of one's own here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def words(error: BaseException, root: Path) -> str:
    said = in_words(error, root)
    assert said is not None
    return said


def test_a_full_disk_is_named_with_what_is_missing(small_disk: Path) -> None:
    table = pa.table({"a": np.random.default_rng(0).random(200_000)})
    with pytest.raises(OSError) as caught:  # noqa: PT011
        write_parquet(small_disk / "table.parquet", table)
    said = words(caught.value, small_disk)
    assert said.startswith(f"the disk of {small_disk} is full: 0.")
    assert "GiB are missing. Finished work is kept. Free some space, then run the same command again" in said
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_is_known_by_the_text_of_libraries(small_disk: Path) -> None:
    error = RuntimeError("ResourceExhausted: write to shard 3: No space left on device")
    assert f"the disk of {small_disk} is full (ResourceExhausted: write to shard 3" in words(error, small_disk)


def test_a_full_disk_behind_an_error_of_the_database(small_disk: Path) -> None:
    with closing(sqlite3.connect(small_disk / "runs.db")) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table runs (id)")
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    with (
        closing(sqlite3.connect(small_disk / "runs.db")) as database,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        database.execute("select * from runs")
    assert words(caught.value, small_disk).startswith(f"the disk of {small_disk} is full")


def test_a_disk_mounted_read_only(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError) as caught:  # noqa: PT011
        (small_disk / "file").write_text("x")
    assert f"{small_disk / 'file'} is on a file system that is mounted read-only" in words(caught.value, small_disk)


def test_a_file_of_another_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    file = tmp_path / "file"
    file.touch(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError) as caught:
            file.read_text()
    finally:
        os.seteuid(0)
    assert f"has no permission to read or write {file}. Grant it" in words(caught.value, tmp_path)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EDQUOT, "your quota on the disk"),
        (errno.EIO, "the disk failed to read or write"),
        (errno.EMFILE, "ulimit -n 4096"),
        (errno.ENAMETOOLONG, "File name too long"),
    ],
)
def test_other_faults_of_storage(tmp_path: Path, code: int, said: str) -> None:
    found = words(OSError(code, os.strerror(code), "/x"), tmp_path)
    assert said in found
    assert "/x" in found
    assert "run the same command again" in found


def test_the_cause_is_found_behind_what_was_raised_of_it(tmp_path: Path) -> None:
    error = RuntimeError("while writing")
    error.__cause__ = OSError(errno.EROFS, os.strerror(errno.EROFS), "/x")
    assert "/x is on a file system that is mounted read-only" in words(error, tmp_path)


def test_an_error_that_was_handled_is_no_cause(tmp_path: Path) -> None:
    error = KeyError("a bug")
    error.__context__ = OSError(errno.EROFS, os.strerror(errno.EROFS), "/x")
    assert in_words(error, tmp_path) is not None
    error.__suppress_context__ = True  # as `raise ... from None` has it
    assert in_words(error, tmp_path) is None


def test_a_fault_of_the_code_keeps_its_traceback(tmp_path: Path) -> None:
    assert in_words(ValueError("x"), tmp_path) is None
    assert in_words(UserError("what to do"), tmp_path) == "what to do"


def test_a_locked_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs.db") as holder:
        holder.execute("create table runs (id)")
        holder.commit()
        holder.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError) as caught:
            sqlite3.connect(tmp_path / "runs.db", timeout=0.1).execute("select * from runs")
    assert f"history in {tmp_path / '.dagster'} stayed locked" in words(caught.value, tmp_path)


def test_a_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"noise" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        sqlite3.connect(tmp_path / "runs.db").execute("select * from runs")
    said = words(caught.value, tmp_path)
    assert "is damaged. Data, models and records are not stored there" in said
    assert f"mv {tmp_path / '.dagster'} {tmp_path / '.dagster'}.damaged" in said


def test_settings_that_dvc_asks_for_and_params_yaml_lacks(tmp_path: Path) -> None:
    said = dvc_in_words("Parameters 'data.root, split' are missing from 'params.yaml'.", tmp_path)
    assert said.startswith("params.yaml lacks settings that dvc.yaml names")
    assert "git checkout params.yaml" in said
    assert "data.root, split" in said


def test_a_file_where_a_folder_belongs_and_the_other_way_round(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    inside = file / "table"
    for place, act, error in (
        (file, file.mkdir, FileExistsError),
        (inside, inside.read_bytes, NotADirectoryError),
        (folder, folder.read_bytes, IsADirectoryError),
    ):
        with pytest.raises(error) as raised:
            act()
        said = words(raised.value, tmp_path)
        assert said.startswith("something else is in the place of a file or folder of the project: ")
        assert f"{place}: " in said
        assert "Move it away" in said
