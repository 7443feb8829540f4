"""A Dask cluster of several processes gives what this machine gives, also where a worker is killed half way."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from plates import workers
from plates.ccpd.scenes import generate
from plates.ccpd.table import parse_labels
from plates.efficientdet.data.tfrecords import BOX_COLUMNS, SPLIT_COLUMNS, write
from plates.errors import UserError
from plates.hashes import content_hash
from plates.photographs.content import Photographs
from plates.photographs.decode import decode_images
from plates.photographs.scan import scan
from plates.splits.split import split_by_plate

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install -e '.[dask]'")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of three workers, each a process."""
    with distributed.LocalCluster(3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def cluster(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workers.SCHEDULER, address)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("delivery") / "photographs", count=12, seed=1, workers=1).folder


def taken_in(photographs: Path, folder: Path) -> tuple[pa.Table, str]:
    """A delivery scanned and decoded, and the hash of its TFRecords."""
    images = scan(photographs, folder / "scan.parquet").table
    images = decode_images(images, Photographs(photographs), folder / "decoded.parquet")
    labels, _ = parse_labels(images)
    boxes, splits = labels.select(BOX_COLUMNS), split_by_plate(labels, seed=0).table.select(SPLIT_COLUMNS)
    write(boxes, splits, {1: "license_plate"}, Photographs(photographs), folder / "tfrecords", shard_mib=0.2)
    return images, content_hash(folder / "tfrecords")


def test_photographs_are_taken_in_as_on_one_machine(
    photographs: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here = taken_in(photographs, tmp_path / "here")
    monkeypatch.setenv(workers.SCHEDULER, address)
    there = taken_in(photographs, tmp_path / "there")
    assert there[0].equals(here[0])
    assert there[1] == here[1]


def test_a_drawn_sample_is_the_same(cluster: None, photographs: Path, tmp_path: Path) -> None:
    assert content_hash(generate(tmp_path / "again", count=12, seed=1).folder) == content_hash(photographs)


def test_work_of_a_killed_worker_is_done_by_another(cluster: None, tmp_path: Path) -> None:
    killed = tmp_path / "killed"

    def square(number: int) -> int:
        if number == 5 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    with workers.processes(2, chunksize=2) as each:
        assert list(each(square, range(20))) == [number * number for number in range(20)]
    assert killed.exists()


def test_a_worker_of_other_code_is_refused(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_code", lambda: "another commit")
    with (
        pytest.raises(UserError, match=r"other code of plates: update it to this commit"),
        workers.processes(2) as each,
    ):
        list(each(abs, [1]))


def test_a_worker_that_does_not_see_the_files_is_refused(cluster: None, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=rf"does not see {tmp_path}/photographs: mount it"),
        workers.threads(2, needs=tmp_path / "photographs") as each,
    ):
        list(each(abs, [1]))


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workers.SCHEDULER, "tcp://127.0.0.1:1")
    monkeypatch.setattr(workers, "PATIENCE_S", 1)
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"), workers.processes(2):
        pass
