"""Precision over recall, as COCO defines it (pycocotools' `COCOeval.accumulate`), counted from matches."""

from __future__ import annotations

from collections.abc import Iterator
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
        for iou, (hits, precise) in enumerate(_at_hits(matched, row) if boxes else ()):
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
    """Over the classes that have boxes; None if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _at_hits(matched: Matched, row: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """At each IoU, which detections have a box, best first, and the best precision from each of them on."""
    right, ignored = np.flatnonzero(matched.hits[row]), matched.ignored[row]
    hit, some_ignored = matched.hits[row][right], ignored.any()
    for bit in np.uint16(1) << np.arange(len(IOUS), dtype=np.uint16):
        hits = right[(hit & bit) > 0]
        counted = np.cumsum((ignored & bit) == 0, dtype=np.int32)[hits] if some_ignored else hits + 1
        precision = np.arange(1, len(hits) + 1) / (counted + np.spacing(1))  # as there, to the last digit
        yield hits, np.maximum.accumulate(precision[::-1])[::-1]
