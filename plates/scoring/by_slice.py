"""Slice by slice: where a model is worse than overall, and how two models differ on the same photographs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from plates.efficientdet.evaluation.bootstrap import Draws, interval
from plates.scoring.tally import Tally, known

WHOLE = "all"
FEWEST = 10  # groups of photographs, under which their draws say nothing about a slice
CONFIDENCE = 0.95


def by_slice(tally: Tally, slices: pd.DataFrame, draws: Draws) -> pd.DataFrame:
    """The figures of each slice.

    Args:
        tally: of the detections.
        slices: of `plates.scoring.slices`, of the same photographs.
        draws: of the same photographs.

    Returns:
        A row per slice, the whole first: dimension, slice, images, the figures, `low` and `high` of the mAP (95% of the
        draws; null of under `FEWEST` groups), and `worse`: whether the mAP is below the whole's by more than chance,
        allowing for the number of slices that were looked at (Bonferroni).
    """
    whole, rows, falls = tally.draws(draws)["mAP"], [], []
    for dimension, name, keep in _parts(slices):
        drawn = tally.draws(draws, keep)
        groups = len(np.unique(draws.groups[keep]))
        between = interval(drawn["mAP"], groups, int(keep.sum())) if groups >= FEWEST else None
        ends = {"low": between and between.low, "high": between and between.high}
        figures = {figure: known(values) for figure, values in drawn.items()}
        rows.append({"dimension": dimension, "slice": name, "images": keep.sum(), **figures, **ends})
        falls.append(_fall(drawn["mAP"] - whole, groups))
    rare = stats.norm.ppf(1 - (1 - CONFIDENCE) / max(len(rows) - 1, 1))
    return pd.DataFrame(rows).assign(worse=np.array(falls) > rare)


def paired(first: Tally, second: Tally, slices: pd.DataFrame, draws: Draws, fewest: int = 1) -> pd.DataFrame:
    """What the second model gains over the first, draw by draw on the same photographs.

    Args:
        first: of the one model's detections.
        second: of the other's, on the same photographs.
        slices: of `plates.scoring.slices`, of the same photographs.
        draws: of the same photographs.
        fewest: groups of photographs; slices with fewer are left out.

    Returns:
        A row per slice (the whole first) and figure that both have: dimension, slice, images, groups (of photographs
        that are drawn together), figure, first, second, difference (second - first), and `low` and `high`, which 95%
        of the draws of the difference are between; null if a slice has nothing to score, or under `FEWEST` groups.
    """
    rows = []
    for dimension, name, keep in _parts(slices):
        groups = len(np.unique(draws.groups[keep]))
        if groups < fewest and dimension != WHOLE:
            continue
        where = {"dimension": dimension, "slice": name, "images": keep.sum(), "groups": groups}
        old, new = (tally.draws(draws, keep) for tally in (first, second))
        for figure in (name for name in old if name in new):
            between = interval(new[figure] - old[figure], groups) if groups >= FEWEST else None
            rows.append(
                {
                    **where,
                    "figure": figure,
                    "first": known(old[figure]),
                    "second": known(new[figure]),
                    "low": between and between.low,
                    "high": between and between.high,
                }
            )
    table = pd.DataFrame(rows).astype(dict.fromkeys(("first", "second", "low", "high"), float))
    table.insert(7, "difference", table["second"] - table["first"])
    return table


def worst(table: pd.DataFrame) -> str:
    """One sentence on a table of `by_slice`: its worst slice, if one is worse than the whole by more than chance."""
    whole, worse = table.iloc[0], table[table["worse"]]
    if worse.empty:
        return "No slice is worse than the whole by more than chance."
    row = worse.sort_values("mAP", kind="stable").iloc[0]
    return (
        f"Worst where {row['dimension']} is {row['slice']}: mAP {row['mAP']:.3f} ({row['low']:.3f} to "
        f"{row['high']:.3f}) on {row['images']:,} photographs, against {whole['mAP']:.3f} overall."
    )


def _parts(slices: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Dimension, slice, and which photographs [P] are in it: the whole first."""
    yield WHOLE, WHOLE, np.ones(len(slices), bool)
    for dimension in slices:
        for name in slices[dimension].cat.categories:
            keep = (slices[dimension] == name).to_numpy()
            if keep.any():
                yield dimension, name, keep


def _fall(difference: np.ndarray, groups: int) -> float:
    """By how many of its standard deviations a difference is below 0; 0 if the draws cannot tell."""
    draws = difference[1:][~np.isnan(difference[1:])]
    spread = draws.std() if groups >= FEWEST and len(draws) else 0.0
    return float((draws.mean() - 2 * difference[0]) / spread) if spread > 0 else 0.0
