"""Files of the project that are damaged: caches are made again, what is needed is named with the next command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from doors import Doors, in_process

from stages.lock import Turn

NEXT = {"raw_images": "labels", "labels": "boxes", "boxes": "splits", "splits": "tfrecords"}


@pytest.fixture(scope="module")
def project(data_ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged") / "copy"
    shutil.copytree(data_ran, folder)
    return folder / "project"


@pytest.fixture(scope="module")
def doors(project: Path) -> Doors:
    return Doors(project, ("raw_images", "labels", "boxes", "splits", "tfrecords"), dg.DagsterInstance.ephemeral())


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other(file: Path) -> None:
    file.write_bytes(b"{} \xff\xfe")


Damage = Callable[[Path], None]


@pytest.mark.parametrize("damage", [half, other])
def test_a_damaged_cache_is_made_again(project: Path, doors: Doors, damage: Damage) -> None:
    caches = [file for file in (project / ".plates").rglob("*") if file.suffix in (".parquet", ".json")]
    assert {"scan.parquet", "decoded.parquet", "looks.parquet", "size.json"} <= {file.name for file in caches}
    before = doors.hashes("raw_images") | doors.hashes("boxes")
    for file in caches:
        damage(file)
    with in_process(doors):
        assert doors.materialize("raw_images") is None
        assert doors.materialize("boxes") is None
    assert doors.hashes("raw_images") | doors.hashes("boxes") == before


@pytest.mark.parametrize(("name", "damage"), list(zip(NEXT, (half, empty, other, half), strict=True)))
def test_a_damaged_table_is_named_and_made_again(project: Path, doors: Doors, name: str, damage: Damage) -> None:
    table = project / f"data/{name}.parquet"
    whole = table.read_bytes()
    table.unlink()  # it may be a link to DVC's cache
    table.write_bytes(whole)
    damage(table)
    with in_process(doors):
        said = doors.materialize(NEXT[name])
        assert said is not None
        assert f"needs data/{name}.parquet" in said
        assert "damaged" in said
        assert "plates run" in said
        assert doors.repro() is None
    assert table.read_bytes() == whole


CUT = b"stages:\n  labels:\n    deps:\n    - path: data/raw_images.parquet\n      hash: md5\n"


@pytest.mark.parametrize("content", [b"", b"[1]", b"stages: {labels", b"\xff\xfe{", b"stages: 7", CUT])
def test_a_damaged_dvc_lock_is_named_with_the_way_back(project: Path, doors: Doors, content: bytes) -> None:
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(content)
    try:
        with in_process(doors):
            said = doors.materialize("labels")
        assert said is not None
        assert "dvc.lock is damaged" in said
        assert "git checkout HEAD -- dvc.lock" in said
    finally:
        lock.write_bytes(whole)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"process": 3}', "\x00"])
def test_the_name_in_a_lock_may_be_anything(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.lock").write_text(content)
    assert Turn.read(tmp_path / "run.lock") is None
