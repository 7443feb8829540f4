"""How balanced the classes, provinces, subsets, sizes and brightnesses are.

What the trainer does about it is `plates.efficientdet.training.class_weights` and `plates.efficientdet.data.sampling`.
"""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd

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
    """Counts on every axis, the most frequent value first: `axis, value, count, share` (of the axis, 0..1)."""
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


def together(distributions: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The `distribution` of all rows, from those of parts of them."""
    counts = pd.concat(distributions).groupby(["axis", "value"], sort=False)["count"].sum().reset_index()
    counts["axis"] = pd.Categorical(counts["axis"], AXES)
    counts = counts.sort_values("count", ascending=False, kind="stable").sort_values("axis", kind="stable")
    counts["axis"] = counts["axis"].astype("str")
    share = counts["count"] / counts.groupby("axis")["count"].transform("sum")
    return counts.assign(share=share).reset_index(drop=True)
