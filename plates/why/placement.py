"""Where detections are relative to the labels, which mAP does not show: beside them, swapped, scaled, misclassified."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plates.ccpd.geometry import iou
from plates.columns import BOX

FOUND = 0.5
SURE = 0.3
"""Highest score in a typical photograph under which a detector is sure of nothing."""
NEAR = 0.1


@dataclass(frozen=True)
class Placement:
    """Of each plate, the best of the detections that its photograph's plates leave room for, those of highest scores.

    Shares are of all plates, 0 to 1.

    Attributes:
        plates: how many there are.
        found: have a detection of any class at IoU 0.5.
        found_in_class: have one of their own class.
        swapped: would be found if x and y of every detection changed places.
        scale: median ratio of the detections' centres to the labels', in x and y; (1, 1) where they agree.
        rescaled: would be found if every detection were divided by `scale`.
        offset: median of detection minus label, of centres of detections near their label, in label widths and heights.
        spread: interquartile range of the same.
        answered: share of photographs with a detection.
        top_score: median of the photographs' highest scores, of those with one; None: there is none.
        confident_elsewhere: share of detections with a score over half of `top_score` that touch no label.
    """

    plates: int
    found: float
    found_in_class: float
    swapped: float
    scale: tuple[float, float]
    rescaled: float
    offset: tuple[float, float]
    spread: tuple[float, float]
    answered: float
    top_score: float | None
    confident_elsewhere: float


def place(detections: pd.DataFrame, truth: pd.DataFrame, label_map: Mapping[int, str]) -> Placement | None:
    """The placement of a table of detections; None if no plate is labelled.

    Args:
        detections: image_id, class (id), score and box, in pixels of the original.
        truth: image_id, class (name, null for a photograph without a plate) and box.
        label_map: class id to name.
    """
    labels = truth[truth["class"].notna()].reset_index(drop=True)
    if labels.empty:
        return None
    photographs = truth["image_id"].nunique()
    counts = labels["image_id"].value_counts()
    ranked = detections.sort_values(["image_id", "score"], ascending=[True, False], kind="stable")
    rank = ranked.groupby("image_id").cumcount()
    best = ranked[rank < ranked["image_id"].map(counts).fillna(0)]
    pairs = labels.assign(plate=labels.index, name=labels["class"]).merge(
        best.assign(named=best["class"].map(label_map)), on="image_id", suffixes=("", "_found")
    )
    there, given = pairs[BOX].to_numpy(float), pairs[[f"{side}_found" for side in BOX]].to_numpy(float)
    overlap = iou(there, given)
    own = (pairs["name"] == pairs["named"]).to_numpy()
    turned = given[:, [1, 0, 3, 2]]
    scale = _scale(there, given)
    divided = given / np.array(scale * 2)

    def share(hits: np.ndarray) -> float:
        return pairs.loc[hits, "plate"].nunique() / len(labels)

    near = overlap >= NEAR
    tops = ranked[rank == 0]["score"]
    top = float(tops.median()) if len(tops) else None
    return Placement(
        plates=len(labels),
        found=share(overlap >= FOUND),
        found_in_class=share((overlap >= FOUND) & own),
        swapped=share(iou(there, turned) >= FOUND),
        scale=scale,
        rescaled=share(iou(there, divided) >= FOUND),
        **_offsets(there[near], given[near]),
        answered=detections["image_id"].nunique() / photographs,
        top_score=top,
        confident_elsewhere=_elsewhere(ranked, truth, 0.5 * top) if top else 0.0,
    )


def _scale(there: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    if not len(there):
        return 1.0, 1.0
    x, y = np.median(_centres(given) / np.maximum(_centres(there), 1.0), axis=0)
    return max(float(x), 1e-6), max(float(y), 1e-6)


def _offsets(there: np.ndarray, given: np.ndarray) -> dict[str, tuple[float, float]]:
    if not len(there):
        return {"offset": (0.0, 0.0), "spread": (0.0, 0.0)}
    moved = (_centres(given) - _centres(there)) / np.maximum(there[:, 2:] - there[:, :2], 1e-6)
    low, (x, y), high = np.quantile(moved, [0.25, 0.5, 0.75], axis=0)
    wide, tall = high - low
    return {"offset": (float(x), float(y)), "spread": (float(wide), float(tall))}


def _centres(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _elsewhere(ranked: pd.DataFrame, truth: pd.DataFrame, least: float) -> float:
    sure = ranked[ranked["score"] >= least].reset_index(drop=True)
    pairs = sure.assign(number=sure.index).merge(truth[truth["class"].notna()], on="image_id", suffixes=("", "_there"))
    overlap = iou(pairs[BOX].to_numpy(float), pairs[[f"{side}_there" for side in BOX]].to_numpy(float))
    touching = pairs.loc[overlap >= NEAR, "number"].nunique()
    return 1 - touching / len(sure) if len(sure) else 0.0
