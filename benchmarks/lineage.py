"""Two deliveries of 350,000 photographs compared, and one photograph's history over 200 records.

    python benchmarks/lineage.py [COUNT]

50 photographs are added, 40 removed, 30 relabelled (as CCPD does: under a new name), 20 moved to another split and 10
replaced: every one must be found and nothing else. Targets: 10 s and 1 GB; a history under 1 s.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from measure import measured, save

from plates.columns import SPLITS
from plates.lineage.history import history
from plates.lineage.photographs import compare
from plates.lineage.record import Record
from plates.scoring import outcomes

PLANTED = {"came": 50, "left": 40, "relabelled": 30, "moved": 20, "replaced": 10}
RECORDS, DELIVERIES = 200, 10


def delivery(count: int, rng: np.random.Generator) -> pd.DataFrame:
    """The outcomes of `count` photographs with CCPD-like names; a third was scored."""
    xmin, ymin = rng.integers(0, 500, count), rng.integers(0, 900, count)
    rows = pd.DataFrame({"xmin": xmin, "ymin": ymin, "xmax": xmin + 200, "ymax": ymin + 70}).astype("float32")
    tilt = rng.integers(0, 90, (2, count))
    rows["path"] = [
        f"ccpd_base/0{number % 1000:03d}-{a}_{b}-{x}&{y}_{x + 200}&{y + 70}-0_0_22_27_27_33_16-{number}-15.jpg"
        for number, (a, b, x, y) in enumerate(zip(*tilt, xmin, ymin, strict=True))
    ]
    rows["sha256"] = [bytes(row) for row in rng.integers(0, 256, (count, 32), np.uint8)]
    rows["class"], rows["rejected"] = "license_plate", None
    rows["split"] = rng.choice(SPLITS, count)
    scored = rows["split"] == "test"
    rows["found"] = pd.Series(rng.random(count) < 0.97, dtype=object).where(scored, None)
    rows["iou"] = pd.Series(rng.random(count)).where(scored)
    rows["score"] = pd.Series(rng.random(count)).where(scored)
    return rows


def edited(rows: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, set[str]]]:
    """The next delivery, and the paths of what was planted in it."""
    rows, count = rows.copy(), len(rows)
    chosen = iter(np.split(rng.choice(count, count, replace=False), np.cumsum([40, 30, 20, 10])))
    gone, relabelled, moved, replaced = (next(chosen) for _ in range(4))
    planted = {"left": set(rows.loc[gone, "path"])}
    rows.loc[relabelled, ["xmin", "xmax"]] += 4
    rows.loc[relabelled, "path"] = "relabelled/" + rows.loc[relabelled, "path"]
    rows.loc[moved, "split"] = rows.loc[moved, "split"].map({"train": "val", "val": "test", "test": "train"})
    rows.loc[replaced, "sha256"] = pd.Series([rng.bytes(32) for _ in replaced], index=replaced)
    planted |= {
        "relabelled": set(rows.loc[relabelled, "path"]),
        "moved": set(rows.loc[moved, "path"]),
        "replaced": set(rows.loc[replaced, "path"]),
    }
    new = delivery(50, rng)
    new["path"] = "new/" + new["path"]
    planted["came"] = set(new["path"])
    return pd.concat([rows.drop(index=gone), new], ignore_index=True), planted


def keep(rows: pd.DataFrame, file: Path) -> None:
    """Writes outcomes as `model_card` does."""
    ordered = rows.sort_values("path", kind="stable")[outcomes.SCHEMA.names]
    outcomes.write(file, pa.Table.from_pandas(ordered, schema=outcomes.SCHEMA, preserve_index=False))


def comparing(first: Path, second: Path, planted: dict[str, set[str]]) -> dict[str, float]:
    """From the two files to every change."""
    started, cpu = time.perf_counter(), time.process_time()
    changes = compare(pd.read_parquet(first), pd.read_parquet(second)).changes
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    found = {kind: set(rows["path"]) for kind, rows in changes.groupby("kind")}
    if found != planted or len(changes) != sum(PLANTED.values()):
        raise SystemExit(f"planted {PLANTED}, found { ({kind: len(paths) for kind, paths in found.items()}) }")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def following(root: Path, path: str, deliveries: list[tuple[str, str]]) -> dict[str, float]:
    """A photograph followed through records whose outcomes are in the cache of `root`."""
    found = [
        Record.model_construct(id=str(number), outcomes=md5, outputs={"data/raw_images.parquet": version})
        for number, (md5, version) in enumerate(deliveries)
    ]
    started, cpu = time.perf_counter(), time.process_time()
    seen = history(root, found, path, None).seen
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    if len(seen) != RECORDS or not all(one.rows for one in seen):
        raise SystemExit("the photograph was lost")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def cached(root: Path, number: int) -> str:
    """The name under which the cache of `root` has the outcomes of a record."""
    md5 = f"{number:032x}"
    (root / ".dvc/cache/files/md5" / md5[:2]).mkdir(parents=True, exist_ok=True)
    return md5


def main(count: int = 350_000) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root, rows, deliveries = Path(folder), delivery(count, rng), []
        first, second = root / "first.parquet", root / "second.parquet"
        keep(rows, first)
        next_rows, planted = edited(rows, rng)
        keep(next_rows, second)
        for number in range(RECORDS):  # records of one delivery share a file: writing 200 would take most of the time
            version, md5 = number // (RECORDS // DELIVERIES), cached(root, number)
            file = root / f"{version}.parquet"
            if not file.exists():
                rows["score"] = rows["score"].where(rows["score"].isna(), rng.random(count))
                keep(rows, file)
            os.link(file, root / ".dvc/cache/files/md5" / md5[:2] / md5[2:])
            deliveries.append((md5, str(version)))
        results = {
            "compared": measured(comparing, first, second, planted),
            "history": measured(following, root, rows["path"].iloc[0], deliveries),
        }
        size = first.stat().st_size / count
    print(f"{count:,} photographs, {size:.1f} bytes each; {RECORDS} records of {DELIVERIES} deliveries")
    for name, row in results.items():
        print(f"{name}: {row['seconds']:.2f} s, {row['cpu_seconds']:.2f} CPU s, {row['peak_mib']:.0f} MiB")
    save("lineage", results)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
