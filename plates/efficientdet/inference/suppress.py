"""From boxes and scores of all anchors to detections, in NumPy: what `postprocess.detect` does in TensorFlow.

For the formats that run without TensorFlow. A test compares the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from plates.efficientdet.config import NmsConfig

VOTERS = 1000
"""Candidates of a picture that vote, those of the highest scores."""


class Detections(NamedTuple):
    """Best first: `boxes` float32 [n, 4] yxyx, `scores` float32 [n], `classes` int32 [n] from 1.

    `corners` float32 [n, 4, 2] y, x, which may be outside the picture; None if the network has none.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    corners: np.ndarray | None = None


def suppress(
    boxes: np.ndarray,
    scores: np.ndarray,
    nms: NmsConfig,
    image_size: tuple[int, int],
    least: float = 0.0,
    corners: np.ndarray | None = None,
) -> Detections:
    """The detections in one picture, by hard NMS or soft (arXiv:1704.04503).

    Args:
        boxes: float32 [A, 4] yxyx in pixels of the network's input.
        scores: float32 [A, C], 0 to 1.
        nms: method, thresholds and sizes.
        image_size: (height, width) of that input; boxes are clipped to it.
        least: score that a detection must be over, beside `nms`'s own.
        corners: float32 [A, 4, 2] y, x in the same pixels, if the network has them.
    """
    floor = max(nms.floor, least)
    # Suppression only lowers scores, so those under the floor can do no more than vote.
    rows, classes, entry = _candidates(scores, nms, floor)
    places = boxes if corners is None else np.concatenate([boxes, corners.reshape(-1, 8)], axis=1)
    candidates, remaining = boxes[rows], entry.astype(np.float32)
    areas = _areas(candidates)
    chosen: list[int] = []
    kept: list[np.float32] = []
    while len(chosen) < min(nms.max_output_size, len(rows)):
        best = int(remaining.argmax())
        if remaining[best] <= floor:
            break
        chosen.append(best)
        kept.append(remaining[best])
        iou = _iou(candidates[best], areas[best], candidates, areas)
        if nms.per_class:
            iou[classes != classes[best]] = 0
        if nms.method == "gaussian":
            remaining *= np.exp(np.float32(-1 / (nms.sigma or 0.5)) * iou * iou)
        else:
            remaining[iou > (nms.iou_thresh or 0.5)] = -np.inf
        remaining[best] = -np.inf
    height, width = image_size
    limits = np.array([height, width, height, width], np.float32)
    index = np.array(chosen, np.int64)
    found = places[rows[index]]
    if nms.voting and chosen:
        voters, own, weights = _voters(scores, nms)
        found = _vote(found, classes[index], (places[voters], weights, own), nms.voting)
    return Detections(
        np.clip(found[:, :4], 0, limits),
        np.array(kept, np.float32),
        classes[index].astype(np.int32) + 1,
        None if corners is None else found[:, 4:].reshape(-1, 4, 2),
    )


def _candidates(scores: np.ndarray, nms: NmsConfig, floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchors, 0-based classes and scores over `floor` that enter: the best pairs, or each anchor's best class."""
    if not nms.max_nms_inputs:
        rows = np.flatnonzero((scores > floor).any(axis=1))
        likely = scores[rows]
        return rows, likely.argmax(axis=1), likely.max(axis=1)
    flat = scores.reshape(-1)
    pairs = np.sort(_best(flat, nms.max_nms_inputs))
    pairs = pairs[flat[pairs] > floor]
    rows, classes = np.divmod(pairs, scores.shape[1])
    return rows, classes, flat[pairs]


def _voters(scores: np.ndarray, nms: NmsConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchors, classes and scores of the best `VOTERS` of all candidates, as `_candidates` gives them."""
    if nms.max_nms_inputs:
        candidates = _candidates(scores, nms, -np.inf)
        best = _best(candidates[2], VOTERS)
        return candidates[0][best], candidates[1][best], candidates[2][best]
    likely = scores.max(axis=1)
    rows = _best(likely, VOTERS)
    return rows, scores[rows].argmax(axis=1), likely[rows]


def _best(scores: np.ndarray, count: int) -> np.ndarray:
    """Where the highest `count` of scores [n] are, best first; of equal ones the first."""
    if count >= len(scores):
        return np.argsort(-scores, kind="stable")
    rows = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return rows[np.argsort(-scores[rows], kind="stable")[:count]]


def _vote(
    kept: np.ndarray, classes: np.ndarray, votes: tuple[np.ndarray, np.ndarray, np.ndarray], least: float
) -> np.ndarray:
    """Kept places [N, 4 or 12] (boxes, or boxes and corners) as means of candidates, weighted by squared scores.

    Those count whose box overlaps the kept one by over `least`.
    """
    places, scores, own = votes
    boxes = places[:, :4]
    areas, found = _areas(boxes), kept.copy()
    for number, box in enumerate(kept[:, :4]):
        iou = _iou(box, _areas(box[None])[0], boxes, areas)
        weights = np.where((iou > least) & (own == classes[number]), scores**2, 0)
        if weights.any():
            found[number] = weights @ places / weights.sum()
    return found


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _iou(box: np.ndarray, area: np.float32, boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """IoU of one yxyx box [4] with others [n, 4]; 0 if either has no area."""
    height = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    width = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    return np.divide(shared, area + areas - shared, out=np.zeros_like(shared), where=shared > 0)
