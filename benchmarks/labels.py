"""350,000 file names to the typed table of labels, and that table to splits: seconds and peak memory.

    python benchmarks/labels.py [COUNT]

The names are the dataset's own lists, repeated under blurriness values of their own. Targets: names under 2 s and
400 MB; splits under 10 s. `MiB` is the whole process, with its libraries and the names.
"""

import resource
import sys
import time
from pathlib import Path

import pyarrow as pa
from measure import measured, save, table

from ccpd.label_table import parse_labels
from ccpd.scan import RAW_IMAGES_SCHEMA
from ccpd.split import split_by_plate

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


def parsing(count: int) -> dict[str, float]:
    """`added_mib`: peak memory over what it was with the names in it."""
    images = raw_images(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    labels, unparsed = parse_labels(images)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    if len(labels) != count or len(unparsed):
        raise SystemExit(f"{len(unparsed)} of {count} names were not read")
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "added_mib": added, "count": count}


def splitting(count: int) -> dict[str, float]:
    labels, _ = parse_labels(raw_images(count))
    started, cpu = time.perf_counter(), time.process_time()
    split_by_plate(labels, seed=0)
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "count": count}


def main(count: int = 350_000) -> None:
    rows = {"names to labels": measured(parsing, count), "labels to splits": measured(splitting, count)}
    table(rows, "rows")
    for name, row in rows.items():
        print(f"{name}: {row['seconds']:.2f} s", f"and {row['added_mib']:.0f} MiB added" if "added_mib" in row else "")
    save("labels", rows)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
