"""The kinds of errors a detector makes, and the gain from fixing each: TIDE (Bolya et al., ECCV 2020), by hotcoco."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from plates.efficientdet.evaluation import scorers

KINDS = {
    "Miss": ("missed", "no detection near the box"),
    "Loc": ("misplaced", "right class, IoU 0.1 to 0.5"),
    "Dupe": ("duplicate", "a box that a better detection has found"),
    "Bkg": ("background", "nothing there, IoU under 0.1"),
    "Cls": ("wrong class", "right place, IoU 0.5 or more"),
    "Both": ("wrong class and misplaced", "another class, IoU 0.1 to 0.5"),
}
"""hotcoco's names, ours, and what each means."""


@dataclass(frozen=True)
class Error:
    """One kind of error: how often it occurs from the threshold on, and by how much mAP50 would rise without it.

    mAP50 is counted at all scores, as always. The gains do not add up: fixing one error uncovers others.
    """

    kind: str
    means: str
    count: int
    gain: float


def errors(
    detections: pd.DataFrame,
    truth: pd.DataFrame,
    label_map: Mapping[int, str],
    max_detections: int,
    threshold: float,
) -> list[Error]:
    """Every kind of error, the costliest first; wrong classes only if there are several classes.

    Args:
        detections, truth, label_map, max_detections: as `matching.match` takes them, in one table each.
        threshold: the score from which on errors are counted.
    """
    gains = scorers.hotcoco(detections, truth, label_map, max_detections).tide_errors()["delta_ap"]
    sure = detections[detections["score"] >= threshold]
    counts = scorers.hotcoco(sure, truth, label_map, max_detections).tide_errors()["counts"]
    kinds = [kind for kind in KINDS if len(label_map) > 1 or kind not in ("Cls", "Both")]
    found = [Error(*KINDS[kind], int(counts[kind]), float(gains[kind])) for kind in kinds]
    return sorted(found, key=lambda error: -error.gain)


def confusion(
    detections: pd.DataFrame,
    truth: pd.DataFrame,
    label_map: Mapping[int, str],
    max_detections: int,
    threshold: float,
) -> pd.DataFrame:
    """How many boxes of each class (rows) were detected as which (columns) at IoU 0.5.

    Detections from `threshold` on count; `nothing` is a box without a detection, or a detection without a box.
    """
    evaluator = scorers.hotcoco(detections, truth, label_map, max_detections)
    names = [label_map[key] for key in sorted(label_map)] + ["nothing"]
    matrix = evaluator.confusion_matrix(iou_thr=0.5, min_score=threshold)["matrix"]
    return pd.DataFrame(matrix.astype(int), index=pd.Index(names, name="truth"), columns=names)
