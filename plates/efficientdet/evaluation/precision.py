"""Precision over recall, as COCO defines it (pycocotools' `COCOeval.accumulate`), counted from matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plates.efficientdet.evaluation.matching import IOUS, SIZES, Matched, Matches

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Precision:
    """NaN for a class without boxes.

    Attributes:
        precision: float64 [IoU, recall, class], the best at this recall of `RECALLS` or a higher one; 0 where the
            detections do not get so far.
        scores: float64, likewise, of the detection that reaches the recall.
        recall: float64 [IoU, class], of all detections.
    """

    precision: np.ndarray
    scores: np.ndarray
    recall: np.ndarray


def accumulate(matches: Matches, size: str = "all") -> Precision:
    """Counts all detections against the boxes of one of `SIZES`."""
    row = list(SIZES).index(size)
    shape = (len(IOUS), len(RECALLS), len(matches.classes))
    precision, scores = np.full(shape, np.nan), np.full(shape, np.nan)
    for at, matched in enumerate(matches.classes.values()):
        boxes = matched.boxes[row].sum()
        for iou in range(len(IOUS)) if boxes else ():
            hits, precise = _at_hits(matched, row, iou)
            reached = np.searchsorted(np.arange(1, len(hits) + 1) / boxes, RECALLS)
            there = reached < len(hits)
            precision[iou, :, at], scores[iou, :, at] = 0.0, 0.0
            precision[iou, there, at] = precise[reached[there]]
            scores[iou, there, at] = matched.scores[hits[reached[there]]]
    return Precision(precision, scores, recall(matches, size))


def recall(matches: Matches, size: str = "all", most: int | None = None) -> np.ndarray:
    """The share of boxes [IoU, class] that the best `most` detections of each photograph and class find."""
    row, bits = list(SIZES).index(size), 1 << np.arange(len(IOUS))
    found = np.full((len(IOUS), len(matches.classes)), np.nan)
    for at, matched in enumerate(matches.classes.values()):
        boxes = matched.boxes[row].sum()
        if boxes:
            hits = matched.hits[row] if most is None else matched.hits[row][matched.ranks < most]
            found[:, at] = [np.count_nonzero(hits & bit) / boxes for bit in bits]
    return found


def mean(values: np.ndarray) -> float | None:
    """Over the classes that have boxes; None where none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _at_hits(matched: Matched, row: int, iou: int) -> tuple[np.ndarray, np.ndarray]:
    """Which detections have a box, best first, and the best precision from each of them on."""
    bit = np.uint16(1 << iou)
    hits = np.flatnonzero(matched.hits[row] & bit)
    counted = np.cumsum((matched.ignored[row] & bit) == 0)[hits]
    precision = np.arange(1, len(hits) + 1) / (counted + np.spacing(1))  # as there, to the last digit
    return hits, np.maximum.accumulate(precision[::-1])[::-1]
