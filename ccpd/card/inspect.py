"""`plates inspect PATH`: what an image, a folder of them, a table of labels, a shard or a folder of shards holds."""

from pathlib import Path

import pandas as pd

from ccpd.card import inspect_images, inspect_records
from ccpd.card.inspection import Inspection, figures, sheet, spread
from ccpd.card.pictures import from_rows
from ccpd.columns import BOX, CORNERS
from lineage.errors import UserError

LABELS = ("path", "class", "subset", "width", "height", *BOX, *CORNERS)


def inspect(path: Path, root: Path | None = None, count: int = 24) -> Inspection:
    """Looks at `path`; shows at most `count` pictures. `root` is where a table's photographs are.

    Raises `UserError` for a path that does not exist or is none of the kinds.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist. Name an image, a .tfrecord, a table of data/*.parquet, or a folder.")
    if path.is_dir():
        shards = sorted(path.glob("*.tfrecord"))
        return inspect_records.shards(path, shards, count) if shards else inspect_images.folder(path, count)
    if path.suffix.lower() == ".tfrecord":
        return inspect_records.shard(path, count)
    return _table(path, root, count) if path.suffix.lower() == ".parquet" else inspect_images.photograph(path)


def _table(path: Path, root: Path | None, count: int) -> Inspection:
    labels = pd.read_parquet(path)
    absent = [column for column in LABELS if column not in labels]
    if absent:
        raise UserError(f"{path} is no table of labels: it has no {', '.join(absent)}. Tables: labels, boxes, rejected")
    lines = [f"{len(labels):,} rows in {path}", *figures(labels)]
    captions = labels["path"].str[-40:]
    if "broken" in labels:
        counts = labels["broken"].explode().value_counts()
        lines += [f"  {number:>7,}  {name}" for name, number in counts.items()]
        captions = labels["broken"].map(lambda names: ", ".join(names))
    at = spread(len(labels), count)
    pictures = [] if root is None else from_rows(labels.iloc[at], root, captions.iloc[at].tolist())
    if root is None:
        lines.append("no pictures: the folder of the photographs is not known")
    return Inspection(lines, sheet(labels, pictures))
