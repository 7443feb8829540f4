"""Writes TFRecords, compared with copying the same files, and reads them back.

    python benchmarks/tfrecords.py [COUNT ...]

The reference: 7.1 s for 2,000 images of 95 KB, of which 6 import TensorFlow, then 0.5 ms an image; 886 MB.

Then the memory at CCPD's size: 350,000 real names, each a file of 333 bytes, planned, written in shards of 1,400 and
verified. Target: 1,000 MB, libraries included.
"""

import hashlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from labels import raw_images
from measure import measured, save, table
from PIL import Image
from trees import make_tree

from plates.ccpd.table import parse_labels
from plates.efficientdet.data.tfrecords import BOX_COLUMNS, SPLIT_COLUMNS, plan, verify, write
from plates.files import write_parquet
from plates.photographs.content import Photographs
from plates.splits.split import split_by_plate

LABELS = {1: "license_plate"}
CCPD = 350_000
SMALL_MIB = 1400 * 333 / 2**20  # a shard of 128 MiB holds 1,400 photographs


def copying(root: Path, folder: Path, boxes: pd.DataFrame) -> None:
    """The floor: every file copied, by one thread."""
    folder.mkdir()
    for number, path in enumerate(boxes["path"]):
        shutil.copyfile(root / path, folder / str(number))


def writing(root: Path, folder: Path, boxes: pd.DataFrame, splits: pd.DataFrame, workers: int) -> None:
    write(boxes, splits, LABELS, Photographs(root), folder, workers=workers)


def verifying(folder: Path, boxes: pd.DataFrame, splits: pd.DataFrame) -> None:
    if verify(folder, boxes, splits).problems:
        raise SystemExit("the TFRecords differ from the table")


def tabulating(base: Path, count: int) -> None:
    """`count` files of one small JPEG under `base`/root, and their tables."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG")
    images = raw_images(count).to_pandas()
    images = images.assign(sha256=hashlib.sha256(buffer.getvalue()).hexdigest(), width=8, height=8)
    labels, _ = parse_labels(pa.Table.from_pandas(images, preserve_index=False))
    write_parquet(base / "boxes.parquet", labels)
    write_parquet(base / "splits.parquet", split_by_plate(labels, seed=0).table)
    for subset in images["subset"].unique():
        (base / "root" / f"ccpd_{subset}").mkdir(parents=True)
    for path in images["path"]:
        (base / "root" / path).write_bytes(buffer.getvalue())


def tables(base: Path) -> tuple[pa.Table, pa.Table]:
    """(boxes, splits) as the asset reads them."""
    boxes = pq.read_table(base / "boxes.parquet", columns=BOX_COLUMNS)
    return boxes, pq.read_table(base / "splits.parquet", columns=SPLIT_COLUMNS)


def planning(base: Path) -> None:
    plan.shards(plan.images_table(*tables(base), LABELS), base / "root", 0, round(SMALL_MIB * 2**20))


def writing_small(base: Path) -> None:
    write(*tables(base), LABELS, Photographs(base / "root"), base / "records", shard_mib=SMALL_MIB)


def verifying_small(base: Path) -> None:
    verifying(base / "records", *tables(base))


def main(counts: list[int]) -> None:
    rows: dict[str, dict[str, float]] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as base:
            root, records = Path(base, "root"), Path(base, "records")
            boxes, splits = make_tree(root, count)
            mean = sum(file.stat().st_size for file in root.rglob("*.jpg")) / count
            print(f"{count} images of {mean / 1000:.0f} KB", flush=True)
            for workers in (1, 2):
                rows[f"{count} written, {workers} processes"] = measured(writing, root, records, boxes, splits, workers)
            rows[f"{count} copied, 1 thread"] = measured(copying, root, Path(base, "copies"), boxes)
            shutil.rmtree(Path(base, "copies"))
            rows[f"{count} verified"] = measured(verifying, records, boxes, splits)
            for name in rows:
                rows[name].setdefault("count", count)
    with tempfile.TemporaryDirectory() as folder:
        measured(tabulating, Path(folder), CCPD)
        for what, work in (
            ("planned", planning),
            ("small, written", writing_small),
            ("small, verified", verifying_small),
        ):
            rows[f"{CCPD} {what}"] = {**measured(work, Path(folder)), "count": CCPD}
    table(rows, "images")
    save("tfrecords", rows)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [2000, 20_000])
