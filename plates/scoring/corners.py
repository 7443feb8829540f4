"""How well the corners that a detector finds fit the labelled ones."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from plates.ccpd.geometry import corners_in_order, iou
from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation.matching import class_ids

NEAR = 0.5
"""IoU of the boxes from which a detection is one of the plate."""

CELLS = 256
"""Along each side of the grid that overlaps are counted on: within 0.01 of the IoU, and 0.0004 on average."""


def labelled(truth: pd.DataFrame, label_map: Mapping[int, str]) -> pd.DataFrame:
    """The rows of `truth` with corners to score against: all four known, and each where its name says.

    `class` becomes the id of `label_map`.
    """
    known = truth[truth["class"].notna() & np.isfinite(truth[CORNERS].astype(float)).all(axis=1)]
    rows = known[corners_in_order(points(known))]
    return rows.assign(**{"class": class_ids(rows["class"], label_map)})[
        ["image_id", "class", *BOX, *CORNERS]
    ].reset_index(drop=True)


def fit(plates: pd.DataFrame, detections: pd.DataFrame, max_detections: int) -> pd.DataFrame:
    """Which of `plates` were found, and how well their corners fit.

    The detection of a plate is the one with the highest score among those of its class whose box overlaps the plate's
    by an IoU of at least `NEAR`.

    Args:
        plates: of `labelled`.
        detections: image_id, class, score, the box and the corners, which are null or not finite where there are none.
        max_detections: of each photograph and class so many count.

    Returns:
        Of each plate found, under its label in the index of `plates`: `iou` of the quadrilaterals, and `error`, the
        mean distance of the four corners in pixels.
    """
    ranked = detections.sort_values("score", ascending=False, kind="stable")
    counted = ranked[ranked.groupby(["image_id", "class"]).cumcount() < max_detections]
    pairs = counted.merge(plates.rename_axis("plate").reset_index(), on=["image_id", "class"], suffixes=("_found", ""))
    found, expected = ([f"{column}{of}" for column in BOX] for of in ("_found", ""))
    near = iou(pairs[found].to_numpy(float), pairs[expected].to_numpy(float)) >= NEAR
    best = pairs[near].drop_duplicates("plate").set_index("plate")
    best = best[np.isfinite(points(best, "_found")).all(axis=(1, 2))]
    both = points(best, "_found"), points(best)
    error = np.linalg.norm(both[0] - both[1], axis=2).mean(axis=1)
    return pd.DataFrame({"iou": [overlap(*pair) for pair in zip(*both, strict=True)], "error": error}, best.index)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """IoU of two quadrilaterals [4, 2] of any shape, as COCO's of masks, on a grid of `CELLS` around both."""
    from pycocotools import mask as rle

    both = np.stack([first, second])
    low, high = both.min(axis=(0, 1)), both.max(axis=(0, 1))
    cells = (both - low) * (CELLS / (high - low))
    masks = rle.frPyObjects([outline.ravel().tolist() for outline in cells], CELLS, CELLS)
    return float(rle.iou(masks[:1], masks[1:], [0])[0, 0])


def points(table: pd.DataFrame, suffix: str = "") -> np.ndarray:
    """The corners [N, 4, 2] in a table, x and y, in the order of `CORNERS`."""
    return table[[f"{column}{suffix}" for column in CORNERS]].to_numpy(float).reshape(-1, 4, 2)
