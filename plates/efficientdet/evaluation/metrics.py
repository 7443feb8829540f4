"""COCO's figures of detections against ground truth, tables in pixels of the original image.

A score of 0 means that no detection was correct. If nothing could be scored, because there is no ground truth, there
is no number: `evaluate` raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from plates.efficientdet.evaluation import precision
from plates.efficientdet.evaluation.matching import IOUS, Matches, match
from plates.errors import UserError

MAX_DETECTIONS = 100


@dataclass(frozen=True)
class Metrics:
    """COCO's twelve figures, by its names in words.

    AP is averaged over recall 0, .01 ... 1; mAP also over IoU .50, .55 ... .95 and classes. Sizes are by the area of a
    box in pixels of the original image: small up to 32², medium up to 96²; None: no ground truth of that size. AR is
    the recall of all counted detections, averaged over the same IoUs; AR1 and AR10 of the best 1 and 10 a photograph.
    """

    mAP: float
    mAP50: float
    mAP75: float
    mAP_small: float | None
    mAP_medium: float | None
    mAP_large: float | None
    AR1: float
    AR10: float
    AR: float
    AR_small: float | None
    AR_medium: float | None
    AR_large: float | None
    per_class: dict[str, float]
    images: int
    boxes: int
    detections: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Evaluation:
    """`curves`: rows of class, iou, recall (101 points), precision, score (the threshold that gives it)."""

    metrics: Metrics
    curves: pd.DataFrame


def evaluate(
    detections: pd.DataFrame,
    truth: pd.DataFrame,
    label_map: Mapping[int, str],
    max_detections: int = MAX_DETECTIONS,
) -> Evaluation:
    """Scores `detections` against `truth`, both as `matching.match` takes them.

    Raises:
        UserError: no ground truth, a class that the label map lacks, or detections on photographs not in it.
    """
    return summarize(match([detections], truth, label_map, max_detections))


def summarize(matches: Matches) -> Evaluation:
    """The figures of the matches; raises `UserError` if there is no box to find."""
    boxes = sum(int(matched.boxes[0].sum()) for matched in matches.classes.values())
    if not boxes:
        raise UserError(
            f"Nothing to score: none of the {len(matches.photographs):,} images of the ground truth has a box. "
            "Divide the photographs anew, or label some: plates run --set split.seed=NUMBER"
        )
    whole = precision.accumulate(matches)
    by_size = {size: precision.accumulate(matches, size) for size in ("small", "medium", "large")}
    mean = precision.mean
    metrics = Metrics(
        mAP=_known(whole.precision),
        mAP50=_known(whole.precision[0]),
        mAP75=_known(whole.precision[5]),
        **{f"mAP_{size}": mean(part.precision) for size, part in by_size.items()},
        AR1=_known(precision.recall(matches, most=1)),
        AR10=_known(precision.recall(matches, most=10)),
        AR=_known(whole.recall),
        **{f"AR_{size}": mean(part.recall) for size, part in by_size.items()},
        per_class={
            name: _known(whole.precision[..., at])
            for at, name in enumerate(matches.classes)
            if not np.isnan(whole.recall[0, at])
        },
        images=len(matches.photographs),
        boxes=boxes,
        detections=sum(len(matched.scores) for matched in matches.classes.values()),
    )
    return Evaluation(metrics, _curves(whole, list(metrics.per_class), list(matches.classes)))


def mask_iou(confusion: np.ndarray) -> np.ndarray:
    """IoU of every class from pixel counts [true, predicted]; NaN for a class that never occurs."""
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def plate_iou(iou: np.ndarray) -> float | None:
    """Mean of `mask_iou` over the classes without the background, which fills most pictures; None if there are none."""
    known = iou[1:][np.isfinite(iou[1:])]
    return float(known.mean()) if known.size else None


def confusion(mask: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Counts int64 [S, S] of cells by class in `mask` [B, h, w] and the best one in `logits` [B, >= h, >= w, S].

    Cells under 0 do not count.
    """
    classes = logits.shape[-1]
    predicted = np.argmax(logits[:, : mask.shape[1], : mask.shape[2]], axis=-1)
    pairs = np.asarray(mask, np.int64) * classes + predicted
    return np.bincount(pairs[mask >= 0], minlength=classes**2).reshape(classes, classes)


def _curves(whole: precision.Precision, scored: list[str], classes: list[str]) -> pd.DataFrame:
    rows = [
        pd.DataFrame(
            {
                "class": name,
                "iou": round(float(iou), 2),
                "recall": precision.RECALLS,
                "precision": whole.precision[at, :, classes.index(name)],
                "score": whole.scores[at, :, classes.index(name)],
            }
        )
        for name in scored
        for at, iou in enumerate(IOUS)
    ]
    return pd.concat(rows, ignore_index=True)


def _known(values: np.ndarray) -> float:
    return float(values[~np.isnan(values)].mean())
