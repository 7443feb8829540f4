"""CCPD's own detection score: the share of photographs whose best box is right (Xu et al., ECCV 2018, section 5)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from plates.ccpd.geometry import iou
from plates.columns import BOX

THRESHOLD = 0.7


@dataclass(frozen=True)
class Score:
    """Right photographs of how many; `value` is the share, None of none."""

    right: int
    images: int

    @property
    def value(self) -> float | None:
        return self.right / self.images if self.images else None


@dataclass(frozen=True)
class CcpdScore:
    """The score of each subset and of all.

    CCPD has 15,667 names in more than one subset: the pooled score counts each once for every subset it is in.
    """

    subsets: dict[str, Score]
    pooled: Score


def best_boxes(truth: pd.DataFrame, detections: pd.DataFrame) -> pd.DataFrame:
    """One row a photograph with a plate: `path, subset, iou, score` of its detection of the highest score.

    Of equal scores the first row counts; of several plates the one that fits best; without a detection both figures are
    0. Boxes are in pixels of the original photographs.

    Args:
        truth: path, subset and the box; photographs without a plate (null boxes) are not in the result.
        detections: path, score and the box.
    """
    truth = truth[truth["xmin"].notna()]
    best = detections.sort_values("score", ascending=False, kind="stable").drop_duplicates("path")
    paired = truth[["path", "subset", *BOX]].merge(
        best[["path", "score", *BOX]], on="path", how="left", suffixes=("", "_found")
    )
    found = paired[[f"{edge}_found" for edge in BOX]].to_numpy(float)
    paired["iou"] = iou(paired[BOX].to_numpy(float), np.nan_to_num(found))
    paired["score"] = paired["score"].fillna(0.0)
    return paired.groupby(["path", "subset"], sort=True)[["iou", "score"]].max().reset_index()


def ccpd_score(truth: pd.DataFrame, detections: pd.DataFrame, threshold: float = THRESHOLD) -> CcpdScore:
    """Scores one box a photograph (`best_boxes`): right if and only if its IoU with a true box is over `threshold`."""
    images = best_boxes(truth, detections)
    images["right"] = images["iou"] > threshold
    subsets = {
        str(subset): Score(int(rows.sum()), len(rows)) for subset, rows in images.groupby("subset", sort=True)["right"]
    }
    return CcpdScore(subsets, Score(int(images["right"].sum()), len(images)))
