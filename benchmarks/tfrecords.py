"""Writing TFRecords against copying the same files, and reading them back.

    python benchmarks/tfrecords.py [COUNT ...]

The reference: 7.1 s for 2,000 images of 95 KB, of which 6 import TensorFlow, then 0.5 ms an image; 886 MB.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd
from measure import measured, save, table
from trees import make_tree

from efficientdet.data.records import verify, write

LABELS = {1: "license_plate"}


def copying(root: Path, folder: Path, boxes: pd.DataFrame) -> None:
    """The floor: every file copied, by one thread."""
    folder.mkdir()
    for number, path in enumerate(boxes["path"]):
        shutil.copyfile(root / path, folder / str(number))


def writing(root: Path, folder: Path, boxes: pd.DataFrame, splits: pd.DataFrame, workers: int) -> None:
    write(boxes, splits, LABELS, root, folder, workers=workers)


def verifying(folder: Path, boxes: pd.DataFrame, splits: pd.DataFrame) -> None:
    if verify(folder, boxes, splits).problems:
        raise SystemExit("the records differ from the table")


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
    table(rows, "images")
    save("tfrecords", rows)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [2000, 20_000])
