"""350,000 file names to the typed table of labels, and that table to splits: seconds and peak memory.

    python benchmarks/labels.py [COUNT]

The names are the dataset's own lists, repeated with unique blurriness values. Targets: names under 2 s and
400 MB; splits under 10 s. `MiB` is the whole process, with its libraries and the table of the scan that it reads.
"""

import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from measure import measured, save, table

from plates.ccpd.table import read_labels
from plates.files import write_parquet
from plates.photographs.scan import RAW_IMAGES_SCHEMA
from plates.splits.split import split_by_plate

LISTS = Path(__file__).resolve().parents[2] / "shared" / "ccpd" / "labels"


def raw_images(count: int) -> pa.Table:
    """`count` rows as a scan finds them."""
    lines = [line for file in sorted(LISTS.glob("*.txt")) for line in file.read_text(encoding="utf-8").split()]
    if not lines:
        raise SystemExit(f"no lists of names in {LISTS}")
    paths = [f"{lines[number % len(lines)].rsplit('-', 1)[0]}-{number}.jpg" for number in range(count)]
    columns = {
        "subset": [path.split("/")[0].removeprefix("ccpd_") for path in paths],
        "name": [path.split("/")[1] for path in paths],
        "path": paths,
        "bytes": [95_000] * count,
        "sha256": [f"{number:064x}" for number in range(count)],
        "width": [720] * count,
        "height": [1160] * count,
        "problem": [None] * count,
    }
    return pa.table(columns, schema=RAW_IMAGES_SCHEMA)


def naming(count: int, file: Path) -> None:
    write_parquet(file, raw_images(count))


def parsing(count: int, file: Path) -> dict[str, float]:
    """From the scan's file, as the asset reads it."""
    started, cpu = time.perf_counter(), time.process_time()
    labels, unparsed = read_labels(file)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    if len(labels) != count or len(unparsed):
        raise SystemExit(f"{len(unparsed)} of {count} names were not read")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "count": count}


def splitting(count: int, file: Path) -> dict[str, float]:
    labels, _ = read_labels(file)
    started, cpu = time.perf_counter(), time.process_time()
    split_by_plate(labels, seed=0)
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
