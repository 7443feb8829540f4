"""CCPD's own detection score: the share of photographs whose best box is right (Xu et al., ECCV 2018, section 5)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from plates.ccpd.geometry import iou
from plates.columns import BOX

THRESHOLD = 0.7

AUTHORS: dict[str, dict[str, float]] = {
    name: dict(zip(("all", "db", "blur", "fn", "rotate", "tilt", "challenge"), values, strict=True))
    for name, values in {
        "Faster R-CNN": (0.8498, 0.6673, 0.8159, 0.7645, 0.9442, 0.8819, 0.8982),
        "SSD300": (0.8699, 0.7290, 0.8706, 0.7484, 0.9653, 0.9186, 0.9006),
        "SSD512": (0.8783, 0.6999, 0.8423, 0.8065, 0.9650, 0.9126, 0.9214),
        "YOLOv3-320": (0.8723, 0.7134, 0.8219, 0.8244, 0.9669, 0.8917, 0.9146),
    }.items()
}
"""The authors' published scores: detector, subset, share of photographs (the dataset's README and the paper)."""


@dataclass(frozen=True)
class Score:
    """Correct photographs and their total; `value` is the share, None if there are none."""

    right: int
    images: int

    @property
    def value(self) -> float | None:
        return self.right / self.images if self.images else None


@dataclass(frozen=True)
class CcpdScore:
    """The score of each subset, and of all photographs, each counted once; `repeated` of them are in several subsets.

    CCPD has 15,667 photographs in more than one subset.
    """

    subsets: dict[str, Score]
    pooled: Score
    repeated: int


def best_boxes(truth: pd.DataFrame, detections: pd.DataFrame) -> pd.DataFrame:
    """One row per photograph with a plate: `path, subset, iou, score, photograph` of its highest-scoring detection.

    Among equal scores the first row counts; among several plates the one that fits best; without a detection both
    figures are 0. Rows with the same file name and box have the same number under `photograph`: that photograph is in
    several subsets. Boxes are in pixels of the original photographs.

    Args:
        truth: path, subset and the box; photographs without a plate (null boxes) are not in the result.
        detections: path, score and the box.
    """
    truth = truth[truth["xmin"].notna()]
    best = detections.sort_values("score", ascending=False, kind="stable").drop_duplicates("path")
    paired = truth[["path", "subset", *BOX]].merge(
        best[["path", "score", *BOX]], on="path", how="left", suffixes=("", "_found")
    )
    sides = paired[[f"{edge}_found" for edge in BOX]].to_numpy(float)
    paired["iou"] = iou(paired[BOX].to_numpy(float), np.nan_to_num(sides))
    paired["score"] = paired["score"].astype(float).fillna(0.0)
    names = paired["path"].str.rsplit("/", n=1).str[-1]
    paired["photograph"] = paired.groupby([names, *BOX]).ngroup()
    fits_best = paired.sort_values(["path", "iou"], ascending=[True, False], kind="stable").drop_duplicates("path")
    return fits_best[["path", "subset", "iou", "score", "photograph"]].reset_index(drop=True)


def ccpd_score(best: pd.DataFrame, threshold: float = THRESHOLD) -> CcpdScore:
    """Scores a table of `best_boxes`: correct if and only if the IoU with a true box is over `threshold`."""
    right = best["iou"] > threshold
    subsets = {
        str(subset): Score(int(rows.sum()), len(rows)) for subset, rows in right.groupby(best["subset"], sort=True)
    }
    once = right[~best["photograph"].duplicated()]
    return CcpdScore(subsets, Score(int(once.sum()), len(once)), len(right) - len(once))
