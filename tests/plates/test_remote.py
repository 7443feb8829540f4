"""Photographs in an object store are taken in as those in a folder, and what fails there is said in words."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from stores import BUCKET, delete, make_bucket, put, s3, upload

from plates import remote
from plates.ccpd.scenes import generate
from plates.ccpd.subsets import find_lists
from plates.ccpd.table import parse_labels
from plates.efficientdet.data.tfrecords import BOX_COLUMNS, SPLIT_COLUMNS, write
from plates.errors import UserError
from plates.hashes import content_hash
from plates.photographs.content import ChangedSinceScanError, Photographs
from plates.photographs.decode import decode_images
from plates.photographs.scan import scan
from plates.photographs.watch import changes, look
from plates.remote import Remote
from plates.splits.split import split_by_plate
from plates.workers import SCHEDULER

pytestmark = pytest.mark.long

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = generate(tmp_path_factory.mktemp("delivery") / "a b&ü", count=COUNT, seed=1, workers=1).folder
    (made / "CCPD2019/split").mkdir(parents=True)
    (made / "CCPD2019/split/train.txt").write_text("ccpd_base/none.jpg\n", encoding="utf-8")
    (made / "notes.txt").touch()
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3() as environment:
        make_bucket(environment["AWS_ENDPOINT_URL"])
        yield environment


@pytest.fixture
def root(server: dict[str, str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """The photographs of `folder` in the store, and a cache with room for all."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    remote._store.cache_clear()
    upload(server["AWS_ENDPOINT_URL"], folder, tmp_path.name)
    return Remote(f"s3://{BUCKET}/{tmp_path.name}", tmp_path / "kept", 1 << 30)


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects that were written just now are taken for old ones."""
    monkeypatch.setattr(remote, "YOUNG_S", -1)


def taken_in(root: Path | Remote, work: Path) -> tuple[pa.Table, str]:
    """A delivery scanned and decoded, and the hash of its TFRecords."""
    work.mkdir()
    images = scan(root, work / "scan.parquet").table
    images = decode_images(images, Photographs(root), work / "decoded.parquet")
    labels, _ = parse_labels(images)
    boxes, splits = labels.select(BOX_COLUMNS), split_by_plate(labels, seed=0).table.select(SPLIT_COLUMNS)
    write(boxes, splits, {1: "license_plate"}, Photographs(root), work / "tfrecords", shard_mib=0.2)
    return images, content_hash(work / "tfrecords")


@pytest.mark.parametrize("limit", [1 << 30, 0])
def test_photographs_in_a_store_are_taken_in_as_those_in_a_folder(
    folder: Path, root: Remote, tmp_path: Path, limit: int
) -> None:
    here = taken_in(folder, tmp_path / "here")
    there = taken_in(Remote(root.url, root.kept, limit), tmp_path / "there")
    assert there[0].equals(here[0])
    assert there[1] == here[1]
    lists, others = find_lists(root), find_lists(folder)
    assert [list(found) for found in (lists, others)] == [["train"], ["train"]]
    assert lists["train"][0].relative_to(root) == others["train"][0].relative_to(folder)
    assert lists["train"][0].read_text(encoding="utf-8") == "ccpd_base/none.jpg\n"


def test_a_cluster_reads_the_store_as_this_machine_does(
    root: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install -e '.[dask]'")
    here = taken_in(root, tmp_path / "here")
    with distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        monkeypatch.setenv(SCHEDULER, cluster.scheduler_address)
        there = taken_in(Remote(root.url, root.kept, 0), tmp_path / "there")
    assert there[0].equals(here[0])
    assert there[1] == here[1]


def test_what_is_as_it_was_is_not_read_again(folder: Path, root: Remote, old: None, tmp_path: Path) -> None:
    cache = tmp_path / "scan.parquet"
    first = scan(root, cache)
    assert (first.read, first.kept) == (COUNT, 0)
    assert first.other_files == scan(folder, tmp_path / "here.parquet").other_files
    again = scan(root, cache)
    assert (again.read, again.kept) == (0, COUNT)
    assert again.table.equals(first.table)


def test_young_objects_are_read_again(root: Remote, tmp_path: Path) -> None:
    """Within the second that a store tells, another could have taken the place of one that was read."""
    assert scan(root, tmp_path / "scan.parquet").read == COUNT
    assert scan(root, tmp_path / "scan.parquet").read == COUNT


def test_a_replaced_object_is_seen(root: Remote, old: None, tmp_path: Path) -> None:
    cache = tmp_path / "scan.parquet"
    first, before = scan(root, cache).table, look(root)
    path, sha256 = first["path"][0].as_py(), first["sha256"][0].as_py()
    other = (root / first["path"][1].as_py()).read()
    put(os.environ["AWS_ENDPOINT_URL"], f"{root.name}/{path}", other)
    now = look(root)
    assert now.fingerprint != before.fingerprint
    assert str(changes(now.photographs, cache)) == "0 added, 1 changed, 0 removed"
    with pytest.raises(ChangedSinceScanError, match="has changed since the scan"):
        Photographs(Remote(root.url, tmp_path / "empty", 1 << 30)).read(path, sha256)
    second = scan(root, cache)
    assert second.read == 1
    assert second.table["sha256"][0].as_py() == hashlib.sha256(other).hexdigest()


def test_an_object_that_goes_is_missed_in_words(root: Remote, tmp_path: Path) -> None:
    images = scan(root, tmp_path / "scan.parquet").table
    path, sha256 = images["path"][0].as_py(), images["sha256"][0].as_py()
    delete(os.environ["AWS_ENDPOINT_URL"], f"{root.name}/{path}")
    assert hashlib.sha256(Photographs(root).read(path, sha256)).hexdigest() == sha256, "objects already read are kept"
    nothing_kept = Photographs(Remote(root.url, root.kept, 0))
    with pytest.raises(ChangedSinceScanError, match=r"cannot be read .* run `plates materialize raw_images`"):
        nothing_kept.read(path, sha256)
    labels, _ = parse_labels(images)
    splits = split_by_plate(labels, seed=0).table.select(SPLIT_COLUMNS)
    with pytest.raises(UserError, match=f"gone from {root} since the scan"):
        write(labels.select(BOX_COLUMNS), splits, {1: "license_plate"}, nothing_kept, tmp_path / "tfrecords")
    assert path not in scan(root, tmp_path / "scan.parquet").table["path"].to_pylist()


def test_the_cache_is_bounded_and_a_damaged_entry_is_read_again(root: Remote, tmp_path: Path) -> None:
    sizes = scan(root, tmp_path / "scan.parquet").table["bytes"].to_pylist()
    limit = sum(sizes) // 2
    small = Remote(root.url, tmp_path / "small", limit)
    images = scan(small, tmp_path / "again.parquet").table
    held = [file.stat().st_size for file in small.kept.rglob("*.val")]
    assert sum(held) <= limit
    assert held
    for path, sha256 in zip(images["path"].to_pylist(), images["sha256"].to_pylist(), strict=True):
        Photographs(small).read(path, sha256)
        assert sum(file.stat().st_size for file in small.kept.rglob("*.val")) <= limit
    for file in root.kept.rglob("*.val"):
        file.write_bytes(b"damaged")
    path, sha256 = images["path"][0].as_py(), images["sha256"][0].as_py()
    assert hashlib.sha256(Photographs(root).read(path, sha256)).hexdigest() == sha256


def test_what_fails_is_said(root: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "scan.parquet"
    with pytest.raises(UserError, match="there is no bucket s3://nowhere"):
        scan(Remote("s3://nowhere/photographs", tmp_path, 0), cache)
    with pytest.raises(UserError, match=r"data.root is s3://.*/nothing, which is empty"):
        scan(Remote(f"s3://{BUCKET}/nothing", tmp_path, 0), cache)
    with pytest.raises(UserError, match="no image under s3://"):
        scan(root / "CCPD2019/split", cache)
    for given in ("ftp://host/folder", "s3://"):
        with pytest.raises(UserError, match="is not a folder in a store: write s3://BUCKET/FOLDER"):
            remote.is_url(given)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    remote._store.cache_clear()
    with pytest.raises(UserError, match=f"no answer from the store of s3://{BUCKET} .* objects already read are kept"):
        scan(root, cache)


def test_a_store_that_refuses_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3(INITIAL_NO_AUTH_ACTION_COUNT="0") as environment:  # keys are looked at
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        remote._store.cache_clear()
        with pytest.raises(UserError, match=f"the store of s3://{BUCKET} denies access .* Set AWS_ACCESS_KEY_ID"):
            scan(Remote(f"s3://{BUCKET}/photographs", tmp_path, 0), tmp_path / "scan.parquet")
    remote._store.cache_clear()
