"""Suites over 350,000 annotations: the real labels repeated, each copy in its own folder.

    python benchmarks/validation.py [ROWS]

Prints seconds, CPU seconds and peak memory of each step, and writes `benchmarks/results/validation.json`. The import
of Great Expectations (about 6 s) is timed separately.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from measure import save

from checks.suites.suite import expectations
from plates.ccpd.table import LABELS_SCHEMA, parse_labels
from plates.columns import SPLITS
from plates.splits.balance import distribution
from plates.splits.shift import compare, features

HERE = Path(__file__).resolve().parent
LISTS = HERE.parents[1] / "shared" / "ccpd" / "labels"


def main(rows: int = 350_000) -> None:
    """Times every step in one process, so that the peak of a later step is at least that of an earlier one."""
    labels = repeated(rows)
    figures: dict[str, dict[str, float]] = {}
    timed(figures, "import great_expectations", expectations)

    from checks.annotations import validate
    from checks.suites.imbalance import imbalance
    from checks.suites.splits import crossings, near_duplicates

    with tempfile.TemporaryDirectory() as folder:
        verdict = timed(figures, "annotation suites, data docs", lambda: validate(labels, data_docs=Path(folder) / "d"))
    spoiled = labels.assign(xmax=np.float32(9000))
    timed(figures, "annotation suites, every row bad", lambda: validate(spoiled))
    timed(figures, "balance", lambda: imbalance(distribution(verdict.accepted), 0.8, 50))
    halves = features(labels.iloc[::2]), features(labels.iloc[1::2])
    timed(figures, "shift of 14 columns", lambda: compare(*halves))
    split = np.random.default_rng(0).choice(SPLITS, len(labels), p=[0.7, 0.1, 0.2])
    splits = labels[["path", "plate"]].assign(split=split)
    timed(figures, "leaks between splits", lambda: crossings(splits, labels))
    hashes = labels[["path"]].assign(dhash=np.random.default_rng(0).integers(0, 2**63, len(labels)).astype(np.uint64))
    timed(figures, "near-duplicates between splits", lambda: near_duplicates([(hashes, splits)]))

    for name, figure in figures.items():
        spent = f"{figure['seconds']:7.1f} s   CPU {figure['cpu_seconds']:6.1f} s"
        print(f"{name:40} {spent}   peak {figure['peak_mib']:7.0f} MiB")
    print(f"{len(verdict.rejected):,} of {len(labels):,} rows rejected")
    save("validation", {name: {"count": rows, **figure} for name, figure in figures.items()})


def repeated(rows: int) -> pd.DataFrame:
    """`rows` real labels, each with a unique path, name and content."""
    lines = [line for file in sorted(LISTS.glob("*.txt")) for line in file.read_text(encoding="utf-8").split()]
    subset, name = zip(*(line.split("/") for line in lines), strict=True)
    at = np.arange(rows)
    images = pd.DataFrame(
        {
            "subset": pd.Series(subset).str.removeprefix("ccpd_").to_numpy()[at % len(lines)],
            "name": np.asarray(name)[at % len(lines)],
            "path": [f"{number // len(lines)}/{lines[number % len(lines)]}" for number in at.tolist()],
            "sha256": [f"{number:064x}" for number in at.tolist()],
            "width": 720,
            "height": 1160,
            "problem": None,
        }
    )
    schema = pa.schema(list(LABELS_SCHEMA)[:7])
    labels = parse_labels(pa.Table.from_pandas(images, schema=schema, preserve_index=False))[0].to_pandas()
    return labels.assign(name=(at // len(lines)).astype(str) + labels["name"])


def timed(figures: dict[str, dict[str, float]], name: str, step: Callable[[], Any]) -> Any:
    """Runs `step`, and notes its seconds, CPU seconds and the process's peak memory so far."""
    start, worked = time.perf_counter(), time.process_time()
    result = step()
    seconds, cpu = time.perf_counter() - start, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures[name] = {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mib": round(peak)}
    return result


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
