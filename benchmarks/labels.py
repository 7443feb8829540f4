"""350,000 file names to the typed table of labels, and that table to splits: seconds and peak memory.

    python benchmarks/labels.py [COUNT]

The names are the dataset's own lists, repeated with other plates and unique blurriness values. Targets: names under 2 s
and 400 MB; splits under 10 s. `MiB` is the whole process, with its libraries and the table of the scan that it reads.
"""

import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import measured, save, table

from assets.labels import from_names
from plates.ccpd.table import LABELS_SCHEMA
from plates.files import ROW_GROUP, parquet_writer
from plates.photographs.convert import TAKEN_SCHEMA
from plates.splits.split import split_by_plate

LISTS = Path(__file__).resolve().parents[2] / "shared" / "ccpd" / "labels"


def raw_images(numbers: range) -> pa.Table:
    """Rows as a scan finds them, by path: the list again and again, each time in another folder and of other plates."""
    paths = [path_of(number) for number in numbers]
    columns = {
        "subset": [path.split("/")[1].removeprefix("ccpd_") for path in paths],
        "name": [path.split("/")[2] for path in paths],
        "path": paths,
        "bytes": [95_000] * len(paths),
        "sha256": [f"{number:064x}" for number in numbers],
        "width": [720] * len(paths),
        "height": [1160] * len(paths),
    }
    columns |= {name: [None] * len(paths) for name in TAKEN_SCHEMA.names if name not in [*columns, "dhash"]}
    hashes = np.random.default_rng(numbers.start).integers(0, 2**64, len(paths), np.uint64)
    return pa.table(columns | {"dhash": hashes}, schema=TAKEN_SCHEMA)


def path_of(number: int) -> str:
    """The path of a photograph: `number` is the blurriness in its name."""
    repeat, line = divmod(number, len(lines()))
    *fields, plate, brightness = lines()[line].rsplit("-", 3)[:-1]
    *first, tens, last = plate.split("_")
    plate = "_".join([*first, str((int(tens) + repeat // 34) % 34), str((int(last) + repeat) % 34)])
    return "-".join([f"{repeat:04d}/{fields[0]}", plate, brightness, f"{number:07d}.jpg"])


@cache
def lines() -> list[str]:
    found = [line for file in sorted(LISTS.glob("*.txt")) for line in file.read_text(encoding="utf-8").split()]
    if not found:
        raise SystemExit(f"no lists of names in {LISTS}")
    return sorted(found)


def naming(count: int, file: Path) -> None:
    """Writes the table of the scan of `count` photographs."""
    with parquet_writer(file, TAKEN_SCHEMA) as write:
        for start in range(0, count, ROW_GROUP):
            write(raw_images(range(start, min(start + ROW_GROUP, count))))


def parsing(count: int, file: Path) -> dict[str, float]:
    """From the scan's file to the typed table, as the asset does it."""
    started, cpu = time.perf_counter(), time.process_time()
    found = 0
    with parquet_writer(file.with_name("labels.parquet"), LABELS_SCHEMA) as write:
        for labels, _ in from_names(file, "plate"):
            write(labels)
            found += len(labels)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    if found != count:
        raise SystemExit(f"{count - found} of {count} names were not read")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "count": count}


def splitting(count: int, file: Path) -> dict[str, float]:
    """As the asset `splits` begins."""
    started, cpu = time.perf_counter(), time.process_time()
    split_by_plate(pq.read_table(file.with_name("labels.parquet")), seed=0)
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "count": count}


def main(count: int = 350_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "raw_images.parquet")
        measured(naming, count, file)
        rows = {
            "names to labels": measured(parsing, count, file),
            "labels to splits": measured(splitting, count, file),
        }
    table(rows, "rows")
    for name, row in rows.items():
        print(f"{name}: {row['seconds']:.2f} s, {row['peak_mib']:.0f} MiB")
    save("labels", rows)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
