"""How much a figure would move on other photographs of the same kind: the bootstrap, whole groups at a time.

Photographs of one plate show the same car in the same light: they are drawn together, or intervals come out too narrow
(Field and Welsh, "Bootstrapping clustered data", JRSS B 69, 2007). Every figure is counted on the same draws, so that
figures, slices and models are compared draw by draw.

A draw is a weight for each group: how often it was drawn. Precision and recall change only at detections that have a
box, so those between two of them are added up by group once; what is left of a draw is a product of sparse counts with
its weights. With more than `BINS` such detections neighbours share a bin, which moves an AP by 1/`BINS` at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from plates.efficientdet.evaluation.matching import IOUS, Matched, Matches
from plates.efficientdet.evaluation.precision import RECALLS

DRAWS = 1_000
BINS = 1_000
AT_ONCE = 100  # draws, whose weights are in memory as floats
FIGURES = ("mAP", "mAP50", "mAP75", "AR")


@dataclass(frozen=True)
class Interval:
    """What 95% of the draws are between."""

    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """Which groups of photographs were drawn how often.

    Attributes:
        groups: int64 [P], the group of each photograph.
        weights: uint8 [N, G], of each group in each draw.
    """

    groups: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Draws:
        """Draws with replacement, as many groups as there are; `keys` [P] says what each photograph is grouped by."""
        names, groups = np.unique(keys, return_inverse=True)
        random = np.random.default_rng(seed)
        weights = np.empty((draws, len(names)), np.uint8)
        for draw in weights:
            draw[:] = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        return cls(groups, weights)

    def figures(self, matches: Matches) -> dict[str, np.ndarray]:
        """`FIGURES` in each draw, float64 [N]; NaN in draws without a box."""
        classes = [one for one in map(self._counts, matches.classes.values()) if one is not None]
        nothing = np.full((1, 2, len(IOUS), AT_ONCE), np.nan)
        parts = [
            _mean(np.stack([counts.precision_and_recall(weights) for counts in classes]) if classes else nothing)
            for weights in self._parts()
        ]
        precision, recall = np.concatenate(parts, axis=-1)
        return {
            "mAP": precision.mean(axis=0),
            "mAP50": precision[0],
            "mAP75": precision[5],
            "AR": recall.mean(axis=0),
        }

    def share(self, right: np.ndarray, of: np.ndarray) -> np.ndarray:
        """The sum of `right` over the sum of `of` in each draw, float64 [N]; both [P], a number for each photograph."""
        columns = np.stack([np.bincount(self.groups, weights=column) for column in (right, of)])
        sums = np.concatenate([columns @ weights for weights in self._parts()], axis=1)
        return np.divide(sums[0], sums[1], out=np.full(sums.shape[1], np.nan), where=sums[1] > 0)

    def _parts(self) -> Iterator[np.ndarray]:
        """The weights as float32 [G, n], some draws at a time."""
        for start in range(0, len(self.weights), AT_ONCE):
            yield np.ascontiguousarray(self.weights[start : start + AT_ONCE].T, np.float32)

    def _counts(self, matched: Matched) -> _Counts | None:
        size = self.weights.shape[1]
        boxes = np.bincount(self.groups, weights=matched.boxes[0], minlength=size)
        if not boxes.any():
            return None
        hits, ignored = matched.hits[0], matched.ignored[0]
        right = np.flatnonzero(hits)
        ends = right[np.unique(np.linspace(0, len(right) - 1, min(BINS, len(right))).round().astype(int))]
        last = ends[-1] + 1 if len(ends) else 0
        bins = np.zeros(last, np.int32)
        bins[ends[:-1] + 1] = 1
        bins = np.cumsum(bins, dtype=np.int32)
        groups = self.groups[matched.places[:last]]

        def counts(which: np.ndarray) -> sparse.csr_matrix:
            at = np.flatnonzero(which[:last])
            ones = np.ones(len(at), np.float32)
            return sparse.csr_matrix((ones, (bins[at], groups[at])), shape=(len(ends), size))

        bits = [np.uint16(1 << iou) for iou in range(len(IOUS))]
        return _Counts(
            boxes.astype(np.float32),
            counts(np.ones(last, bool)),
            [counts(hits & bit) for bit in bits],
            [counts(ignored & bit) for bit in bits],
        )


@dataclass(frozen=True)
class _Counts:
    """Of one class, how many boxes each group has, and how many detections of each group are in each bin."""

    boxes: np.ndarray
    detections: sparse.csr_matrix
    hits: list[sparse.csr_matrix]
    ignored: list[sparse.csr_matrix]

    def precision_and_recall(self, weights: np.ndarray) -> np.ndarray:
        """AP and recall [2, IoU, N] in the draws of `weights` [G, N]; NaN in those without a box."""
        boxes = self.boxes @ weights
        boxes = np.where(boxes > 0, boxes, np.nan)
        detections = np.cumsum(self.detections @ weights, axis=0, dtype=np.float64)
        found = []
        for hits, ignored in zip(self.hits, self.ignored, strict=True):
            right = np.cumsum(hits @ weights, axis=0, dtype=np.float64)
            counted = detections - np.cumsum(ignored @ weights, axis=0, dtype=np.float64) if ignored.nnz else detections
            precision = np.divide(right, counted, out=np.zeros_like(right), where=counted > 0)
            precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
            recall = right / boxes
            reached = np.searchsorted(RECALLS, recall, side="right")
            sums = (precision * np.diff(reached, axis=0, prepend=0)).sum(axis=0)
            found.append((sums / len(RECALLS) + 0 * boxes, recall[-1] if len(recall) else 0 * boxes))
        return np.swapaxes(np.array(found), 0, 1)


def interval(values: np.ndarray) -> Interval | None:
    """Of the draws that have a number; None where more than a twentieth have none."""
    known = values[~np.isnan(values)]
    if len(known) < 0.95 * len(values):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(low), float(high))


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the first axis, of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.divide(np.where(known, values, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
