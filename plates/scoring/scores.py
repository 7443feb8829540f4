"""The figures of an evaluation: COCO's and CCPD's, over all and for each subset, and the IoU of the masks."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from plates.ccpd.score import ccpd_score
from plates.efficientdet.evaluation.metrics import Evaluation, evaluate, evaluate_slices
from plates.scoring.detections import Found

HEADLINES = ("mAP", "mAP50", "mAP75")
BACKGROUND = "background"


def scores(found: Found, truth: pd.DataFrame, max_detections: int) -> tuple[dict[str, Any], Evaluation | None]:
    """Scores what was found against `truth` (a table of `plates.scoring.truth`).

    Returns the figures ready for JSON, and the evaluation of the boxes with its curves. A figure that nothing could be
    scored for (a subset without plates) is None, never 0; those of a head that is not there are absent.
    """
    figures: dict[str, Any] = {"images": int(truth["image_id"].nunique()), "boxes": int(truth["class"].notna().sum())}
    if found.masks is not None:
        plates = [value for name, value in found.masks.items() if name != BACKGROUND]
        figures["mask_iou"] = sum(plates) / len(plates) if plates else None
        figures["mask_iou_by_class"] = found.masks
    if found.boxes is None:
        return figures, None
    whole, by_subset = _of_boxes(found.boxes, truth, found.label_map, max_detections)
    return whole.metrics.to_dict() | by_subset | figures, whole


def _of_boxes(
    detections: pd.DataFrame, truth: pd.DataFrame, label_map: Mapping[int, str], max_detections: int
) -> tuple[Evaluation, dict[str, Any]]:
    whole = evaluate(detections, truth, label_map, max_detections)
    slices = evaluate_slices(detections, truth, label_map, by="subset")
    right = ccpd_score(truth, detections)
    by_subset = []
    for subset, part in truth.groupby("subset", sort=True):
        metrics = slices[str(subset)]
        by_subset.append(
            {
                "subset": str(subset),
                "images": int(part["path"].nunique()),
                **{name: None if metrics is None else getattr(metrics, name) for name in HEADLINES},
                "ccpd_score": right.subsets[str(subset)].value if str(subset) in right.subsets else None,
            }
        )
    return whole, {"ccpd_score": right.pooled.value, "by_subset": by_subset}
