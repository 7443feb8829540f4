"""The thresholds that an evaluation chooses on val, by name, and what each of them means on the photographs scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotcoco import metrics as hotcoco

from plates.efficientdet.evaluation.matching import Matches
from plates.efficientdet.evaluation.thresholds import Ranked, Working, best_f1, promise
from plates.settings.params import PromiseParams

BEST_F1, PROMISE = "best_f1", "promise"
CALIBRATION_BINS = 10


def working_points(val: Matches, scored: Matches, promised: PromiseParams) -> dict[str, Any]:
    """Thresholds by name: the best F1, and the recall that is promised.

    Args:
        val: what thresholds are chosen on.
        scored: what they are tried on: other photographs.
        promised: recall and confidence.

    Returns:
        Ready for JSON, by name: `threshold` (None if val gives none) and `why`; what it comes to on `val` and on
        `scored`: recall, precision, f1, false_alarms_per_100 photographs; and, if there are several, the same
        `by_class`.
    """
    found = _points(val, scored, promised, None)
    if len(val.classes) > 1:
        for name in val.classes:
            for point, content in _points(val, scored, promised, name).items():
                found[point].setdefault("by_class", {})[name] = content
    return found


def carried(thresholds: Mapping[str, float], scored: Matches) -> dict[str, Any]:
    """As `working_points`, of thresholds that a model carries: what each comes to on `scored`."""
    ranked = Ranked.of(scored)
    return {
        name: {"threshold": threshold, "why": "carried by the model", "scored": _said(ranked.at(threshold))}
        for name, threshold in thresholds.items()
    }


def thresholds(points: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """By name, those of `working_points` that val gives: what an exported model carries."""
    return {name: point["threshold"] for name, point in points.items() if point["threshold"] is not None}


def calibration(scored: Matches) -> dict[str, Any]:
    """How far scores are from the share of detections that are right at IoU 0.5 (Guo et al., ICML 2017).

    `ece` is the mean distance over equal bins of the score, weighted by detections, `mce` the largest; `bins` with
    their mean score, share right and count. None if nothing was detected.
    """
    ranked = Ranked.of(scored)
    if not len(ranked.scores):
        return {"ece": None, "mce": None, "bins": []}
    ece, mce = hotcoco.calibration_error(ranked.scores, ranked.right, CALIBRATION_BINS)
    bins = [
        {"score": one["avg_confidence"], "right": one["avg_accuracy"], "count": one["count"]}
        for one in hotcoco.calibration_curve(ranked.scores, ranked.right, CALIBRATION_BINS)
        if one["count"]
    ]
    return {"ece": ece, "mce": mce, "bins": bins}


def _points(val: Matches, scored: Matches, promised: PromiseParams, name: str | None) -> dict[str, dict[str, Any]]:
    classes = None if name is None else [name]
    on_val, on_scored = Ranked.of(val, classes), Ranked.of(scored, classes)
    best, kept = best_f1(on_val), promise(on_val, promised.recall, promised.confidence)
    points = {
        BEST_F1: (best, "the best F1 on val" if best is not None else "no detection on val is right at any score"),
        PROMISE: (kept.threshold, kept.why),
    }
    return {
        point: {"threshold": threshold, "why": why}
        | (
            {"val": _said(on_val.at(threshold)), "scored": _said(on_scored.at(threshold))}
            if threshold is not None
            else {}
        )
        for point, (threshold, why) in points.items()
    }


def _said(working: Working) -> dict[str, Any]:
    return {
        "recall": working.recall,
        "precision": working.precision,
        "f1": working.f1,
        "false_alarms_per_100": working.false_alarms_per_100,
    }
