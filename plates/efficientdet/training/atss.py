"""Adaptive training sample selection (ATSS, arXiv:1912.02424, algorithm 1): each ground truth sets its own threshold.

Where a cell has several anchors, all those of the nearest cells are candidates, as in the authors' code: they share
their centre, so distance cannot choose between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from plates.efficientdet.model import boxes as box_ops
from plates.efficientdet.model.boxes import Tensor

NEAREST = 9
"""Cells of each level whose anchors are candidates (the paper's k)."""


class Choice(NamedTuple):
    """What ground truths make of the anchors, before each takes its own best.

    Attributes:
        matched: int32 [B, A], row of the ground truth that an anchor goes to, -1 for none.
        best: int32 [B, M], the anchor that suits each ground truth best.
        overlap: float32 [B, M], its IoU.
    """

    matched: Tensor
    best: Tensor
    overlap: Tensor


NO_CLAIM, LAST_CLAIM = -1.0, -0.5


def claims(iou: Tensor, positive: Tensor, counts: Tensor) -> Tensor:
    """How strongly ground truths claim anchors, of the shape of `iou`, where they do (`positive`): the IoU.

    One to be ignored (`counts` is False) claims after all that count.
    """
    return ops.where(positive, ops.where(counts, iou, LAST_CLAIM), NO_CLAIM)


def choose(anchors: Tensor, cells: Sequence[int], gt_boxes: Tensor, present: Tensor, counts: Tensor) -> Choice:
    """Anchors that overlap a ground truth better than most of those near it.

    Candidates are the anchors of the `NEAREST` cells of each level. Of them, those are positives whose IoU reaches the
    mean plus the standard deviation of all the candidates' and whose centre is inside the box. An anchor that several
    ground truths claim goes to the one that it overlaps best. Best for a ground truth is the candidate of highest IoU,
    of those with their centre inside the box, if there are any.

    Args:
        anchors: [A, 4] yxyx in pixels, level by level, cell by cell.
        cells: number of cells of each level.
        gt_boxes: [B, M, 4] yxyx in pixels.
        present: bool [B, M], False for padding.
        counts: bool [B, M], False for padding and boxes to be ignored.
    """
    batch, rows = ops.shape(present)
    gt_boxes = ops.where(present[..., None], gt_boxes, 0.0)
    candidates = _nearest(anchors, cells, gt_boxes)
    iou, inside = _overlap(ops.take(anchors, candidates, axis=0), gt_boxes[:, :, None])
    threshold = ops.mean(iou, axis=-1, keepdims=True) + ops.std(iou, axis=-1, keepdims=True)
    positive = ops.logical_and(ops.logical_and(inside, iou >= threshold), present[..., None])

    total = batch * anchors.shape[0]
    anchor = ops.reshape(candidates + ops.arange(batch, dtype="int32")[:, None, None] * anchors.shape[0], (-1,))
    claim = ops.reshape(claims(iou, positive, counts[..., None]), (-1,))
    highest = ops.segment_max(claim, anchor, total)
    wins = ops.logical_and(claim > NO_CLAIM, claim == ops.take(highest, anchor))
    turn = ops.broadcast_to((rows - ops.arange(rows, dtype="int32"))[:, None], ops.shape(candidates))
    first = ops.segment_max(ops.where(wins, ops.reshape(turn, (-1,)), 0), anchor, total)

    suits = ops.argmax(iou + ops.cast(inside, iou.dtype), axis=-1, keepdims=True)
    return Choice(
        matched=ops.reshape(ops.where(first > 0, rows - first, -1), (batch, anchors.shape[0])),
        best=ops.take_along_axis(candidates, suits, axis=-1)[..., 0],
        overlap=ops.take_along_axis(iou, suits, axis=-1)[..., 0],
    )


def _nearest(anchors: Tensor, cells: Sequence[int], gt_boxes: Tensor) -> Tensor:
    """int32 [B, M, N]: the anchors of the cells of each level whose centres are nearest to the ground truth's."""
    batch, rows = ops.shape(gt_boxes)[:2]
    per_cell = anchors.shape[0] // sum(cells)
    centres, wanted = box_ops.centre(anchors[::per_cell]), box_ops.centre(gt_boxes)[:, :, None]
    found, start = [], 0
    for count in cells:
        distance = ops.sum(ops.square(wanted - centres[start : start + count]), axis=-1)
        _, nearest = ops.top_k(-distance, min(NEAREST, count))
        first = (ops.cast(nearest, "int32") + start) * per_cell
        of_cells = first[..., None] + ops.arange(per_cell, dtype="int32")
        found.append(ops.reshape(of_cells, (batch, rows, min(NEAREST, count) * per_cell)))
        start += count
    return ops.concatenate(found, axis=-1)


def _overlap(anchors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """IoU [B, M, N] of `anchors` [B, M, N, 4] with `boxes` [B, M, 1, 4], and whether their centre is inside."""
    low, high = ops.maximum(anchors[..., :2], boxes[..., :2]), ops.minimum(anchors[..., 2:], boxes[..., 2:])
    inner = box_ops.area(ops.concatenate([low, high], axis=-1))
    iou = ops.divide_no_nan(inner, box_ops.area(anchors) + box_ops.area(boxes) - inner)
    middle = box_ops.centre(anchors)
    inside = ops.logical_and(middle > boxes[..., :2], middle < boxes[..., 2:])
    return iou, ops.all(inside, axis=-1)
