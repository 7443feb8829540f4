"""The figures of an evaluation: COCO's and CCPD's, over all and for each subset."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ccpd.score import ccpd_score
from efficientdet.evaluation.metrics import Evaluation, evaluate, evaluate_slices

HEADLINES = ("mAP", "mAP50", "mAP75")


def scores(
    detections: pd.DataFrame, truth: pd.DataFrame, label_map: Mapping[int, str]
) -> tuple[dict[str, Any], Evaluation]:
    """Scores `detections` against `truth` (tables in the columns of `detections.parquet` and `assets.truth`).

    Returns the figures ready for JSON, and the evaluation with its curves. A figure that nothing could be scored for
    (a subset without plates) is None, never 0.
    """
    whole = evaluate(detections, truth, label_map)
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
    figures = whole.metrics.to_dict() | {"ccpd_score": right.pooled.value, "by_subset": by_subset}
    return figures, whole
