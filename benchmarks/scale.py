"""How time and memory grow with the number of photographs, from their names to planned TFRecords.

    python benchmarks/scale.py [COUNT ...]

Every step is a process of its own; `MiB` is all of it, with its libraries. What reads the photographs themselves takes
as long for each: `scan.py` and `tfrecords.py` measure it.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from labels import naming, parsing
from measure import measured, save, table

from assets.splits import keys
from plates import parts
from plates.ccpd.table import LABELS_SCHEMA
from plates.efficientdet.data.tfrecords import plan
from plates.files import parquet_writer, write_parquet
from plates.splits import shift
from plates.splits.split import split_by_plate
from plates.splits.strata import strata_of

SHARD_BYTES = 128 << 20


class One:
    """Photographs that are all the same file, of 95 kB."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "photograph.jpg").write_bytes(bytes(95_000))

    def file(self, path: str, sha256: str) -> Path:
        return self.root / "photograph.jpg"

    def read(self, path: str, sha256: str) -> bytes:
        return b""


def timed(count: int, step: Callable[[], Any]) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    step()
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "count": count}


def labelling(count: int, folder: Path) -> dict[str, float]:
    """As the asset `labels`."""
    return parsing(count, folder / "raw_images.parquet")


def validating(count: int, folder: Path) -> dict[str, float]:
    """As the asset `boxes`, with a delivery before this one; the import of Great Expectations is not timed."""
    from checks.annotations import Gate
    from checks.suites.suite import expectations
    from checks.whole import survey

    expectations()

    def labels() -> Iterator[pd.DataFrame]:
        return (part.to_pandas() for part in parts.by_photograph(parts.read(folder / "labels.parquet")))

    def step() -> None:
        gate = Gate(survey(labels))
        looks = shift.Looks(folder / "looks.parquet")
        with (
            parquet_writer(folder / "boxes.parquet", LABELS_SCHEMA) as keep,
            parquet_writer(looks.file, shift.SCHEMA) as look,
        ):
            for part in labels():
                accepted, _ = gate.judge(part)
                keep(pa.Table.from_pandas(accepted, LABELS_SCHEMA, preserve_index=False))
                look(pa.Table.from_pandas(shift.features(accepted), shift.SCHEMA, preserve_index=False))
        assert gate.judgement().labelled == count
        shift.compare(looks, looks)

    return timed(count, step)


def splitting(count: int, folder: Path) -> dict[str, float]:
    """As the asset `splits`."""

    def step() -> None:
        write_parquet(folder / "splits.parquet", split_by_plate(keys(folder / "boxes.parquet"), seed=0).table)
        strata_of(folder / "boxes.parquet", folder / "splits.parquet")

    return timed(count, step)


def pairs(folder: Path, table: str, columns: list[str]) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    rows = parts.by_photograph(parts.read(folder / f"{table}.parquet", columns))
    for part, splits in parts.beside(rows, parts.read(folder / "splits.parquet")):
        yield part.to_pandas(), splits.to_pandas()


def crossing(count: int, folder: Path) -> dict[str, float]:
    """As the check `nothing_in_two_splits`."""
    from checks.suites.splits import crossings, suspects

    def step() -> None:
        found = crossings(*suspects(lambda: pairs(folder, "boxes", ["path", "name", "sha256", "plate"])))
        assert all(crossing.success for crossing in found)

    return timed(count, step)


def comparing(count: int, folder: Path) -> dict[str, float]:
    """As the check `few_near_duplicates`; the hashes are random, so that hardly any are near."""
    from checks.suites.splits import near_duplicates

    return timed(count, lambda: near_duplicates(pairs(folder, "raw_images", ["path", "dhash"])))


def planning(count: int, folder: Path) -> dict[str, float]:
    """As `tfrecords` begins: which photograph goes into which shard."""

    def step() -> None:
        tables = folder / "boxes.parquet", folder / "splits.parquet"
        images = plan.images_from(*tables, {1: "license_plate"}, LABELS_SCHEMA.empty_table().to_pandas())
        planned = plan.shards(images, One(folder), 0, SHARD_BYTES)
        assert sum(len(shard.rows) for shard in planned) == count
        assert len(plan.rows_of(images, planned[0].rows)) == len(planned[0].rows)

    return timed(count, step)


STEPS = {
    "names to labels": labelling,
    "labels validated": validating,
    "splits": splitting,
    "nothing in two splits": crossing,
    "near-duplicates": comparing,
    "shards planned": planning,
}


def main(*counts: int) -> None:
    rows = {}
    for count in counts or (350_000, 1_000_000):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            measured(naming, count, folder / "raw_images.parquet")
            for name, work in STEPS.items():
                rows[f"{count:,}: {name}"] = measured(work, count, folder)
                print(f"{count:,}: {name}: {rows[f'{count:,}: {name}']}", flush=True)
        save("scale", rows)
    table(rows, "rows")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
