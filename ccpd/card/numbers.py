"""The card's numbers: counts and typical values of each side of the split, and of each subset and province
on them.
"""

from typing import Any

import pandas as pd
from pydantic import BaseModel

from ccpd.balance import axis_values
from ccpd.shift import features

SIDES = ("train", "val", "test")
TYPICAL = {
    "width_px": "median width (px)",
    "height_px": "median height (px)",
    "aspect": "median width / height",
    "share_of_image": "median share of the image",
    "brightness": "median brightness",
}


class Side(BaseModel):
    """One side of the split. `typical` holds medians; null without boxes."""

    name: str
    images: int
    boxes: int
    negatives: int
    plates: int
    typical: dict[str, float | None]


class Numbers(BaseModel):
    """What the card says in figures. `subsets`, `provinces` and `classes` are value -> side -> boxes
    (images for subsets).
    """

    images: int
    boxes: int
    negatives: int
    rejected: int
    plates: int
    broken: dict[str, int]
    sides: list[Side]
    classes: dict[str, dict[str, int]]
    subsets: dict[str, dict[str, int]]
    provinces: dict[str, dict[str, int]]


def describe(boxes: pd.DataFrame, rejected: pd.DataFrame, splits: pd.DataFrame | None = None) -> Numbers:
    """Counts the accepted and rejected tables; without `splits` everything stands on one side, `all`."""
    side = sides_of(boxes, splits)
    labelled = boxes["class"].notna()
    images = boxes.drop_duplicates("path")
    values = axis_values(boxes)
    broken = rejected["broken"].explode().value_counts() if len(rejected) else pd.Series(dtype="int64")
    return Numbers(
        images=len(images),
        boxes=int(labelled.sum()),
        negatives=int(images["class"].isna().sum()),
        rejected=len(rejected),
        plates=boxes["plate"].nunique(),
        broken={str(name): int(count) for name, count in broken.items()},
        sides=[_side(name, boxes[side == name]) for name in (*SIDES, "all") if (side == name).any()],
        classes=_by_side(values["class"], side[labelled]),
        subsets=_by_side(images["subset"], side.loc[images.index]),
        provinces=_by_side(values["province"], side[labelled]),
    )


def sides_of(boxes: pd.DataFrame, splits: pd.DataFrame | None) -> pd.Series:
    """The side of each row: train, val or test by its path; `all` without splits; null for a path that has
    none.
    """
    if splits is None:
        return pd.Series("all", index=boxes.index)
    return boxes["path"].map(splits.drop_duplicates("path").set_index("path")["split"])


def _side(name: str, rows: pd.DataFrame) -> Side:
    measured = features(rows)
    typical = {said: measured[column].astype("float64").median() for column, said in TYPICAL.items()}
    images = rows.drop_duplicates("path")
    return Side(
        name=name,
        images=len(images),
        boxes=int(rows["class"].notna().sum()),
        negatives=int(images["class"].isna().sum()),
        plates=rows["plate"].nunique(),
        typical={said: None if pd.isna(value) else float(value) for said, value in typical.items()},
    )


def _by_side(values: pd.Series, side: pd.Series) -> dict[str, dict[str, int]]:
    """Counts by value and side, the most frequent value first."""
    table: Any = pd.crosstab(values, side)
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    return {str(value): {str(name): int(count) for name, count in row.items()} for value, row in table.iterrows()}
