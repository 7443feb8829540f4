"""How time and memory grow with the number of photographs, from their names to planned TFRecords.

    python benchmarks/scale.py [COUNT ...]

Every step is a process of its own; `MiB` is all of it, with its libraries and the table that it reads. What reads the
photographs themselves takes as long for each: `scan.py` and `tfrecords.py` measure it.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from labels import naming
from measure import measured, save, table

from plates.ccpd.table import read_labels
from plates.efficientdet.data.tfrecords import BOX_COLUMNS, SPLIT_COLUMNS, plan
from plates.files import write_parquet
from plates.splits.split import split_by_plate

SHARD_BYTES = 128 << 20


class One:
    """Photographs that are all the same file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, path: str, sha256: str) -> Path:
        return self.root / "raw_images.parquet"

    def read(self, path: str, sha256: str) -> bytes:
        return b""


def timed(count: int, step: Callable[[], Any]) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    step()
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "count": count}


def parsing(count: int, folder: Path) -> dict[str, float]:
    """As the asset `labels`."""

    def step() -> None:
        labels, unparsed = read_labels(folder / "raw_images.parquet")
        assert len(labels) == count
        assert not len(unparsed)
        write_parquet(folder / "labels.parquet", labels)

    return timed(count, step)


def validating(count: int, folder: Path) -> dict[str, float]:
    """The suites, as `boxes` asks them; the import of Great Expectations is not timed."""
    from checks.annotations import validate
    from checks.suites.suite import expectations

    expectations()
    return timed(count, lambda: validate(pq.read_table(folder / "labels.parquet").to_pandas()))


def splitting(count: int, folder: Path) -> dict[str, float]:
    """As the asset `splits`."""

    def step() -> None:
        divided = split_by_plate(pq.read_table(folder / "labels.parquet"), seed=0)
        write_parquet(folder / "splits.parquet", divided.table)

    return timed(count, step)


def planning(count: int, folder: Path) -> dict[str, float]:
    """As `tfrecords` begins: which photograph goes into which shard."""

    def step() -> None:
        boxes = pq.read_table(folder / "labels.parquet", columns=BOX_COLUMNS)
        splits = pq.read_table(folder / "splits.parquet", columns=SPLIT_COLUMNS)
        images = plan.images_table(boxes, splits, {1: "license_plate"})
        assert sum(len(shard.rows) for shard in plan.shards(images, One(folder), 0, SHARD_BYTES)) == count

    return timed(count, step)


STEPS = {"names to labels": parsing, "labels validated": validating, "splits": splitting, "shards planned": planning}


def main(*counts: int) -> None:
    rows = {}
    for count in counts or (350_000, 1_000_000):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            measured(naming, count, folder / "raw_images.parquet")
            for name, work in STEPS.items():
                rows[f"{count:,}: {name}"] = measured(work, count, folder)
    table(rows, "rows")
    save("scale", rows)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
