"""Looking at a shard of TFRecords, and at a folder of shards."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from plates.card.look.inspection import Inspection, captions, sheet, spread
from plates.ccpd.subsets import subset_of
from plates.ccpd.table import LABELS_SCHEMA, parse_labels
from plates.columns import BOX, CORNERS
from plates.efficientdet.data.tfrecords.example import Example, from_bytes
from plates.efficientdet.data.tfrecords.framing import payloads
from plates.efficientdet.data.tfrecords.manifest import FILE_NAME, read_manifest
from plates.pages.drawing import Marks
from plates.pages.pictures import Picture, from_file

IN_NAME = ["province", "plate", "plate_type", "brightness", "blurriness"]
"""What a CCPD name gives and a TFRecord does not."""


def shard(path: Path, count: int) -> Inspection:
    """The TFRecords of one file, every CRC checked. Raises `UserError` if one is wrong."""
    rows: list[dict[str, Any]] = []
    total = boxes = negatives = 0
    for example in _examples(path):
        rows += _rows(example, total)
        total, boxes, negatives = total + 1, boxes + len(example.boxes), negatives + (not len(example.boxes))
    names = Counter(row["class"] for row in rows if "class" in row)
    lines = [
        f"{total:,} TFRecords in {path.name} ({path.stat().st_size / 2**20:,.1f} MiB), every CRC correct",
        f"{boxes:,} boxes, {negatives:,} images without one",
        *(f"  {number:>7,}  {name}" for name, number in names.most_common()),
    ]
    labels = _labels(rows)
    said = dict(zip(labels["path"], captions(labels), strict=True))
    return Inspection(lines, lambda: sheet(labels, _pictures(path, total, count, said)))


def folder(path: Path, files: list[Path], count: int) -> Inspection:
    """The manifest of a folder of shards, and its first shard."""
    lines = [f"{len(files):,} shards in {path}, {sum(file.stat().st_size for file in files) / 2**20:,.1f} MiB"]
    if (path / FILE_NAME).exists():
        manifest = read_manifest(path)
        lines += [
            f"{name}: {split.images:,} images, {split.boxes:,} boxes, {split.negatives:,} without one, "
            + ", ".join(f"{number:,} {label}" for label, number in manifest.class_counts.get(name, {}).items())
            for name, split in manifest.splits.items()
        ]
    first = shard(files[0], count)
    return Inspection([*lines, "the first shard:", *first.lines], first.draw)


def _examples(path: Path) -> Iterator[Example]:
    return (from_bytes(payload) for payload in payloads(path))


def _rows(example: Example, position: int) -> Iterable[dict[str, Any]]:
    """A row of the labels table for each box; one without a box for a negative."""
    path = example.path or f"TFRecord {position}"
    image: dict[str, Any] = {"subset": subset_of(path), "name": path.rpartition("/")[2], "path": path}
    image |= {"width": example.width, "height": example.height}
    names = example.names or [f"label {label}" for label in example.labels]
    for at, box in enumerate(example.boxes.tolist()):
        corners = {} if example.corners is None else dict(zip(CORNERS, example.corners[at].tolist(), strict=True))
        yield (
            image | {"class": names[at] if at < len(names) else "no name"} | dict(zip(BOX, box, strict=True)) | corners
        )
    if not len(example.boxes):
        yield image


def _labels(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows, completed from their names where these are CCPD names."""
    table = pa.Table.from_pylist(rows, schema=LABELS_SCHEMA)
    labels = table.to_pandas()
    told = parse_labels(table)[0].to_pandas().drop_duplicates("path").set_index("path")
    for column in IN_NAME:
        labels[column] = labels["path"].map(told[column]).where(labels["class"].notna())
    return labels


def _pictures(path: Path, total: int, count: int, said: dict[str, str]) -> list[Picture]:
    wanted = set(spread(total, count).tolist())
    return [
        from_file(example.encoded, [Marks(example.boxes)], said.get(example.path, ""))
        for position, example in enumerate(_examples(path))
        if position in wanted
    ]
