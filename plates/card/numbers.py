"""The card's numbers: counts and medians of each split, and the distribution of the boxes over every axis."""

from typing import Any

import pandas as pd
from pydantic import BaseModel

from plates.columns import SPLITS
from plates.splits.balance import axis_values, distribution
from plates.splits.shift import features

TYPICAL = {
    "width_px": "median width (px)",
    "height_px": "median height (px)",
    "aspect": "median width / height",
    "share_of_image": "median share of the image",
    "brightness": "median brightness",
}


class SplitNumbers(BaseModel):
    """One split. `typical` holds medians; null without boxes."""

    name: str
    images: int
    boxes: int
    negatives: int
    plates: int
    typical: dict[str, float | None]


class Value(BaseModel):
    """A value of an axis: its boxes, their share of all boxes (0..1), and its boxes in each split."""

    name: str
    boxes: int
    share: float
    splits: dict[str, int]


class Axis(BaseModel):
    """How the boxes are spread over the values of one axis of `plates.splits.balance.AXES`.

    Attributes:
        values: sizes and brightnesses in their order, others the most frequent first.
        imbalance_ratio: the most frequent value's count over the rarest's.
    """

    name: str
    values: list[Value]
    imbalance_ratio: float


class Numbers(BaseModel):
    """The card's figures. `subsets` is subset -> split -> images; axes without a value are not in `axes`."""

    images: int
    boxes: int
    negatives: int
    rejected: int
    plates: int
    broken: dict[str, int]
    splits: list[SplitNumbers]
    subsets: dict[str, dict[str, int]]
    axes: list[Axis]


def describe(boxes: pd.DataFrame, rejected: pd.DataFrame, splits: pd.DataFrame | None = None) -> Numbers:
    """Counts the accepted and rejected tables; without `splits` everything is in one split, `all`."""
    split = split_of(boxes, splits)
    labelled = boxes["class"].notna()
    images = boxes.drop_duplicates("path")
    broken = rejected["broken"].explode().value_counts() if len(rejected) else pd.Series(dtype="int64")
    return Numbers(
        images=len(images),
        boxes=int(labelled.sum()),
        negatives=int(images["class"].isna().sum()),
        rejected=len(rejected),
        plates=boxes["plate"].nunique(),
        broken={str(name): int(count) for name, count in broken.items()},
        splits=[_split(name, boxes[split == name]) for name in (*SPLITS, "all") if (split == name).any()],
        subsets=by_split(images["subset"], split.loc[images.index]),
        axes=_axes(boxes, split),
    )


def split_of(boxes: pd.DataFrame, splits: pd.DataFrame | None) -> pd.Series:
    """The split of each row by its path: train, val or test, null for a path without one; `all` without `splits`."""
    if splits is None:
        return pd.Series("all", index=boxes.index)
    return boxes["path"].map(splits.drop_duplicates("path").set_index("path")["split"])


def _split(name: str, rows: pd.DataFrame) -> SplitNumbers:
    measured = features(rows)
    typical = {said: measured[column].astype("float64").median() for column, said in TYPICAL.items()}
    images = rows.drop_duplicates("path")
    return SplitNumbers(
        name=name,
        images=len(images),
        boxes=int(rows["class"].notna().sum()),
        negatives=int(images["class"].isna().sum()),
        plates=rows["plate"].nunique(),
        typical={said: None if pd.isna(value) else float(value) for said, value in typical.items()},
    )


def by_split(values: pd.Series, split: pd.Series) -> dict[str, dict[str, int]]:
    """Counts by value and split, the most frequent value first."""
    table: Any = pd.crosstab(values, split)
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    return {str(value): {str(name): int(count) for name, count in row.items()} for value, row in table.iterrows()}


def _axes(boxes: pd.DataFrame, split: pd.Series) -> list[Axis]:
    values, axes = axis_values(boxes), []
    for name, counted in distribution(boxes).groupby("axis", sort=False):
        splits = by_split(values[name], split.loc[values.index])
        if name in ("size", "brightness"):
            counted = counted.sort_values("value", key=lambda bins: bins.str.extract(r"(\d+)")[0].astype(int))
        rows = zip(counted["value"], counted["count"], counted["share"], strict=True)
        axes.append(
            Axis(
                name=name,
                values=[Value(name=v, boxes=count, share=share, splits=splits.get(v, {})) for v, count, share in rows],
                imbalance_ratio=counted["count"].max() / counted["count"].min(),
            )
        )
    return axes
