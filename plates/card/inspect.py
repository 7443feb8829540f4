"""`plates inspect PATH`: what an image, a folder of them, a table of labels, a shard or a folder of shards holds."""

from pathlib import Path

import pandas as pd

from plates.card import inspect_images, inspect_records
from plates.card.inspection import Inspection, captions, figures, sheet, spread
from plates.card.pictures import from_rows, of_files
from plates.card.sheets import contact_sheet
from plates.columns import BOX, CORNERS
from plates.errors import UserError

SAID = ("subset", "split", "problem", "field", "reason")
MOST_VALUES = 10
NO_ROOT = "no pictures: the folder of the photographs is not known"
LABELS = ("path", "class", "subset", "plate", "width", "height", *BOX, *CORNERS)


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
    if "path" not in labels:
        raise UserError(f"{path} is no table of photographs: it has no column path. Look at one of data/*.parquet")
    if any(column not in labels for column in LABELS):
        return _files(path, labels, root, count)
    lines = [f"{len(labels):,} rows in {path}", *figures(labels)]
    at = spread(len(labels), count)
    said = captions(labels.iloc[at])
    if "broken" in labels:
        counts = labels["broken"].explode().value_counts()
        lines += [f"  {number:>7,}  {name}" for name, number in counts.items()]
        said = labels["broken"].iloc[at].map(lambda names: ", ".join(names)).tolist()
    pictures = [] if root is None else from_rows(labels.iloc[at], root, said)
    if root is None:
        lines.append(NO_ROOT)
    return Inspection(lines, sheet(labels, pictures))


def _files(path: Path, table: pd.DataFrame, root: Path | None, count: int) -> Inspection:
    """A table of photographs without boxes, such as raw_images, unparsed or splits."""
    lines = [f"{len(table):,} rows in {path}: {', '.join(table.columns)}"]
    said = [column for column in SAID if column in table]
    for column in said:
        counts = table[column].value_counts().head(MOST_VALUES)
        lines.append(f"{column}: " + (", ".join(f"{value} {number:,}" for value, number in counts.items()) or "none"))
    at = table.iloc[spread(len(table), count)]
    if root is None:
        lines.append(NO_ROOT)
        return Inspection(lines, contact_sheet([]))
    texts = at[said].astype("object").apply(lambda row: ", ".join(map(str, row.dropna())), axis=1)
    return Inspection(lines, contact_sheet(of_files(at["path"].tolist(), root, texts.tolist())))
