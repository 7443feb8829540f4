"""The accepted boxes with their image ids and splits: what training and scoring read."""

import hashlib

import pandas as pd

from plates.columns import BOX, CORNERS
from plates.files import read_table
from plates.scoring.ignored import REJECTED, regions
from plates.settings.project import Project

COLUMNS = [
    *("path", "sha256", "subset", "width", "height", "class", *BOX, *CORNERS),
    *("plate", "plate_type", "province", "brightness", "blurriness"),
]


def truth(project: Project, split: str | None = None, with_regions: bool = False) -> pd.DataFrame:
    """One row per annotation, and one with a null `class` for a photograph without a plate, in the order of image ids.

    Columns: those above, `image_id` and `split`; and `iscrowd` `with_regions`, true of regions to ignore. `split` keeps
    one of them only.
    """
    boxes = read_table(project.path("data/boxes.parquet"), COLUMNS)
    if with_regions:
        ignored = regions(project.path(REJECTED))[COLUMNS].assign(iscrowd=True)
        boxes = pd.concat([boxes.assign(iscrowd=False), ignored], ignore_index=True)
    splits = read_table(project.path("data/splits.parquet"), ["image_id", "path", "split"])
    table = boxes.merge(splits, on="path", how="inner", validate="many_to_one")
    if split is not None:
        table = table[table["split"] == split]
    return table.sort_values(["image_id", "xmin", "ymin"], kind="stable", ignore_index=True)


def shared_plates(first: pd.DataFrame, second: pd.DataFrame) -> int:
    """How many plates are in both tables: of train and of what is scored, a fair split has none."""
    return len(set(first["plate"].dropna()) & set(second["plate"].dropna()))


def real(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table from `truth` that are not regions to ignore."""
    return table[~table["iscrowd"]] if "iscrowd" in table else table


def identity(table: pd.DataFrame) -> str:
    """A hash of the photographs and boxes of a table from `truth`: two scores are comparable only if it is the same."""
    columns = table[["sha256", "class", *BOX]]
    text = columns.sort_values(list(columns), kind="stable").to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def numbering(table: pd.DataFrame) -> str:
    """A hash of which photograph has which image id: ids in two files mean the same only if it is the same.

    An equal test set is numbered anew when a photograph enters or leaves another split, or is renamed.
    """
    text = table[["image_id", "sha256"]].drop_duplicates().sort_values("image_id").to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
