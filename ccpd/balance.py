"""How unequal the classes are, and what evens them out: class weights and balanced sampling."""

import itertools
from typing import Literal

import numpy as np
import pandas as pd

from lineage.errors import UserError

AXES = ("class", "province", "subset", "size", "brightness")

SIZE_EDGES = [0, 0.01, 0.02, 0.04, 0.08, 0.16, 1.0]
"""Bins of the box's share of the image; the median of CCPD is near 0.04."""

BRIGHTNESS_EDGES = [0, 50, 100, 150, 200, 256]
"""Bins of the brightness of the plate region, 0..255."""


def axis_values(boxes: pd.DataFrame) -> pd.DataFrame:
    """The value of each labelled row of the boxes table on each of `AXES`, as text; null where unknown."""
    boxes = boxes[boxes["class"].notna()]
    area = (boxes["xmax"] - boxes["xmin"]) * (boxes["ymax"] - boxes["ymin"])
    share = (area / (boxes["width"].astype("float64") * boxes["height"].astype("float64"))).clip(upper=1)
    sizes = [f"{low:.0%}-{high:.0%}" for low, high in itertools.pairwise(SIZE_EDGES)]
    levels = [f"{low}-{high - 1}" for low, high in itertools.pairwise(BRIGHTNESS_EDGES)]
    brightness = boxes["brightness"].astype("float64")
    return pd.DataFrame(
        {
            **{column: boxes[column] for column in ("class", "province", "subset")},
            "size": pd.cut(share, SIZE_EDGES, labels=sizes, include_lowest=True).astype("str"),
            "brightness": pd.cut(brightness, BRIGHTNESS_EDGES, labels=levels, right=False).astype("str"),
        }
    )


def distribution(boxes: pd.DataFrame) -> pd.DataFrame:
    """Counts on every axis: `axis, value, count, share` (of the axis, 0..1), the most frequent value
    first.
    """
    values = axis_values(boxes)
    tables = []
    for axis in AXES:
        counts = values[axis].dropna().value_counts()
        tables.append(
            pd.DataFrame(
                {
                    "axis": axis,
                    "value": counts.index.astype("str"),
                    "count": counts.to_numpy(np.int64),
                    "share": counts.to_numpy() / max(counts.sum(), 1),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def class_weights(counts: pd.Series, method: Literal["inverse", "effective_number"], beta: float = 0.9999) -> pd.Series:
    """The weight of each class in the loss, on the index of `counts`; the mean weight of an annotation is
    1.

    `inverse` is 1/n. `effective_number` is (1 - beta) / (1 - beta^n), the inverse of the number of
    annotations that are really different (Cui et al., Class-Balanced Loss, CVPR 2019, equation 3). A class
    without annotations raises `UserError`: it has no weight.
    """
    empty = counts.index[counts <= 0].astype("str").tolist()
    if empty or counts.empty:
        raise UserError(
            f"Class weights need annotations of every class; none of {', '.join(empty) or 'any class'}. "
            "Look at the counts: plates inspect data/boxes.parquet"
        )
    number = counts.astype("float64")
    if method == "effective_number":
        number = -np.expm1(number * np.log(beta)) / (1 - beta)
    weights = 1 / number
    return weights * counts.sum() / (weights * counts).sum()


def sampling_weights(values: pd.Series) -> pd.Series:
    """The chance of drawing each row so that every value of `values` is drawn equally often; sums to 1."""
    counts = values.map(values.value_counts())
    return (1 / counts) / values.nunique()


def effective_distribution(boxes: pd.DataFrame, by: str = "class") -> pd.DataFrame:
    """What training sees under sampling balanced over `by`: `distribution` with a column `balanced`, 0..1."""
    values = axis_values(boxes)
    known = values[values[by].notna()]
    chance = sampling_weights(known[by])
    table = distribution(boxes)
    seen = {(axis, value): weight for axis in AXES for value, weight in chance.groupby(known[axis]).sum().items()}
    balanced = [float(seen.get(key, 0.0)) for key in zip(table["axis"], table["value"], strict=True)]
    return table.assign(balanced=balanced)
