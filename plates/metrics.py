"""The figures that tell how good a model is, by their names in `EVALUATION`."""

from collections.abc import Mapping
from typing import Any

EVALUATION = "metrics/evaluation.json"
"""All that an evaluation measured."""

SCORES = "metrics/scores.json"
"""The file with these figures alone, which `dvc metrics` and `dvc exp show` read."""

METRICS = ("mAP", "mAP50", "mAP75", "ccpd_score", "mask_iou", "corner_iou", "corner_error_px")


def measured(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Those of `METRICS` that an evaluation measured: a detector has boxes, perhaps with corners, or masks, or both."""
    return {name: metrics[name] for name in METRICS if metrics.get(name) is not None}
