"""How much a figure would move on other photographs of the same kind: the bootstrap, whole groups at a time.

Photographs of one plate show the same car in the same light: they are drawn together, or intervals come out too narrow
(Field and Welsh, "Bootstrapping clustered data", JRSS B 69, 2007). Every figure is counted on the same draws, so that
figures, slices and models are compared draw by draw.

A draw is a weight for each group: how often it was drawn. Precision and recall change only at detections that have a
box, so those between two of them are added up by group once; what is left of a draw is a product of counts with its
weights. What bounds the work at any number of photographs: over `BINS` detections that have a box, neighbours share a
bin, and what that moves in the figure itself is taken from every draw; over `MOST` groups, groups are joined at random,
which leaves the spread of the draws as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from plates.efficientdet.evaluation.matching import IOUS, Matched, Matches
from plates.efficientdet.evaluation.precision import RECALLS, accumulate

DRAWS = 1_000
BINS = 400
MOST = 4_000
AT_ONCE = 100  # draws, whose weights are in memory as floats
FIGURES = ("mAP", "mAP50", "mAP75", "AR")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """The 95% confidence interval of a figure over all such photographs."""

    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """Which groups of photographs were drawn how often.

    Attributes:
        groups: int64 [P], the group of each photograph.
        weights: uint8 [1 + N, G], of each group: the photographs as they are, then each draw.
    """

    groups: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Draws:
        """Draws with replacement, as many groups as there are; `keys` [P] says what each photograph is grouped by."""
        random = np.random.default_rng(seed)
        names, groups = np.unique(keys, return_inverse=True)
        if len(names) > MOST:
            groups = random.permutation(len(names))[groups] % MOST
        count = min(len(names), MOST)
        weights = np.ones((1 + draws, count), np.uint8)
        for draw in weights[1:]:
            draw[:] = np.bincount(random.integers(count, size=count), minlength=count)
        return cls(groups, weights)

    def figures(self, matches: Matches) -> dict[str, np.ndarray]:
        """`FIGURES` of the photographs as they are and in each draw, float64 [1 + N]; NaN without a box."""
        whole = accumulate(matches)
        exact = np.stack([_mean(whole.precision.mean(axis=1).T), _mean(whole.recall.T)])
        classes = [one for one in map(self._counts, matches.classes.values()) if one is not None]
        if not classes:
            return dict.fromkeys(FIGURES, np.full(len(self.weights), np.nan))
        drawn = np.concatenate(
            [_mean(np.stack([one.precision_and_recall(weights) for one in classes])) for weights in self._parts()], -1
        )
        precision, recall = drawn + (exact - drawn[..., 0])[..., None]  # what bins moved is moved back
        return {
            "mAP": precision.mean(axis=0),
            "mAP50": precision[0],
            "mAP75": precision[5],
            "AR": recall.mean(axis=0),
        }

    def share(self, right: np.ndarray, of: np.ndarray) -> np.ndarray:
        """The sum of `right` over the sum of `of`, float64 [1 + N]; both [P], a number for each photograph."""
        size = self.weights.shape[1]
        columns = np.stack([np.bincount(self.groups, column, size) for column in (right, of)]).astype(np.float32)
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
        cells = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(ends, prepend=-1)) * size
        cells += self.groups[matched.places[:last]]
        shape = (len(ends), size)

        def counts(which: np.ndarray) -> sparse.csr_matrix:
            at, count = np.unique(cells[np.flatnonzero(which[:last])], return_counts=True)
            return sparse.csr_matrix((count.astype(np.float32), divmod(at, size)), shape)

        bits = [np.uint16(1 << iou) for iou in range(len(IOUS))]
        return _Counts(
            boxes.astype(np.float32),
            np.bincount(cells, minlength=len(ends) * size).astype(np.float32).reshape(shape),
            [counts(hits & bit) for bit in bits],
            [counts(ignored & bit) for bit in bits],
        )


@dataclass(frozen=True)
class _Counts:
    """Of one class, how many boxes each group has, and how many detections of each group are in each bin."""

    boxes: np.ndarray
    detections: np.ndarray
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
            precision = np.maximum.accumulate((right / np.maximum(counted, 1))[::-1], axis=0)[::-1]
            recall = right / boxes
            reached = np.searchsorted(RECALLS, recall, side="right")
            sums = (precision * np.diff(reached, axis=0, prepend=0)).sum(axis=0)
            found.append((sums / len(RECALLS) + 0 * boxes, recall[-1] if len(recall) else 0 * boxes))
        return np.swapaxes(np.array(found), 0, 1)


def interval(values: np.ndarray, groups: int, photographs: int | None = None) -> Interval | None:
    """The interval of a figure on all such photographs; None if it, or over a twentieth of its draws, is unknown.

    The percentiles of the draws, with three corrections that matter if there are few photographs:

    - Interpolated precision is too high by chance, and in draws once more: they are moved by twice their mean distance
      from the figure (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 10.6).
    - Draws of n groups spread too little: the percentiles are those of Student's t (Hesterberg, "What teachers should
      know about the bootstrap", The American Statistician 69, 2015, section 3.3).
    - What no photograph shows may yet occur, such as a miss: half a photograph with everything right and half a one
      with everything wrong join each draw, with random weights. For a share that is Jeffreys' prior (Brown, Cai and
      DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001).

    Args:
        values: [1 + N], the figure and its draws.
        groups: of photographs that are drawn together, over 1.
        photographs: that the figure, from 0 to 1, is of; None for a difference of two figures, which nothing joins.
    """
    figure, draws = values[0], values[1:][~np.isnan(values[1:])]
    if np.isnan(figure) or len(draws) < 0.95 * (len(values) - 1):
        return None
    draws = draws - 2 * (draws.mean() - figure)
    if photographs is not None:
        right, wrong = np.random.default_rng(0).gamma(0.5, size=(2, len(draws)))
        draws = (draws.clip(0, 1) * photographs + right) / (photographs + right + wrong)
    widest = stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1) * np.sqrt(groups / (groups - 1))
    low, high = np.quantile(draws, stats.norm.cdf([-widest, widest]))
    return Interval(float(min(low, figure)), float(max(high, figure)))


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of the known values; NaN if none is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.divide(np.where(known, values, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
