"""Which anchor answers for which ground truth: the targets of training, made inside the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from plates.efficientdet.model import boxes as box_ops
from plates.efficientdet.model.boxes import Tensor
from plates.efficientdet.training import atss
from plates.efficientdet.training.atss import Choice

BACKGROUND = -1
IGNORED = -2
IN_REGION = 0.5
"""Share of an anchor's area in a box to be ignored from which it is ignored too."""


class Targets(NamedTuple):
    """What the network should have said.

    Attributes:
        classes: int32 [B, A], 0-based class, `BACKGROUND`, or `IGNORED` where the loss must not look.
        boxes: float32 [B, A, 4] (ty, tx, th, tw) of the matched ground truth, zero where there is none.
        num_positives: float32 [B], anchors with a class.
    """

    classes: Tensor
    boxes: Tensor
    num_positives: Tensor


def assign(
    anchors: Tensor,
    gt_boxes: Tensor,
    gt_classes: Tensor,
    iou_threshold: float = 0.5,
    reference: bool = False,
    cells: Sequence[int] | None = None,
) -> Targets:
    """The targets of every anchor: those of the ground truth that `match` gives it, the background's, or none.

    Anchors of ground truth to be ignored become `IGNORED`. Arguments as of `match`.
    """
    matched = match(anchors, gt_boxes, gt_classes, iou_threshold, reference, cells)
    return targets_of(matched, anchors, gt_boxes, gt_classes)


def match(
    anchors: Tensor,
    gt_boxes: Tensor,
    gt_classes: Tensor,
    iou_threshold: float = 0.5,
    reference: bool = False,
    cells: Sequence[int] | None = None,
) -> Tensor:
    """The ground truth that each anchor answers for: its row int32 [B, A], -1 for none.

    An anchor goes to the ground truth that it overlaps best, if their IoU reaches `iou_threshold`; with `cells`, if
    ATSS chooses it (`atss.choose`). Each ground truth then takes its own best anchor whatever the IoU; where two want
    the same one, the first gets it. Equal IoUs go to the first (google/automl, `object_detection/argmax_matcher.py`
    with one threshold and `force_match_for_each_row`).

    Ground truth to be ignored never takes an anchor from one that counts.

    Args:
        anchors: [A, 4] yxyx in pixels.
        gt_boxes: [B, M, 4] yxyx in pixels, padded with anything.
        gt_classes: [B, M], 1-based; 0 is padding; a negative id is a box to be ignored.
        iou_threshold: lowest IoU of a match.
        reference: a ground truth that no anchor touches takes anchor 0, as in the reference; else it takes none.
        cells: number of cells of each level of the `anchors`, for ATSS; None: by `iou_threshold`.
    """
    anchors = ops.convert_to_tensor(anchors, dtype="float32")
    gt_boxes = ops.cast(gt_boxes, "float32")
    gt_classes = ops.cast(gt_classes, "int32")
    present, counts = ops.not_equal(gt_classes, 0), gt_classes > 0
    if cells is None:
        matched, best, overlap = _by_threshold(anchors, gt_boxes, present, counts, iou_threshold)
    else:
        matched, best, overlap = atss.choose(anchors, cells, gt_boxes, present, counts)
    wanting = present if reference else ops.logical_and(present, overlap > 0)
    forced = _first_come(best, wanting, counts, anchors.shape[0])
    free = ops.logical_or(_of_row(counts, forced), ops.logical_not(_of_row(counts, matched)))
    return ops.where(ops.logical_and(forced >= 0, ops.logical_or(matched < 0, free)), forced, matched)


def targets_of(matched: Tensor, anchors: Tensor, gt_boxes: Tensor, gt_classes: Tensor) -> Targets:
    """The targets of anchors that answer for the rows `matched` int32 [B, A] of the ground truth, -1 for none.

    Those without a row are background, or ignored where they lie in a box to be ignored.
    """
    anchors = ops.convert_to_tensor(anchors, dtype="float32")
    gt_boxes = ops.cast(gt_boxes, "float32")
    gt_classes = ops.cast(gt_classes, "int32")
    assigned = matched >= 0
    classes = _of_row(gt_classes, matched)
    positive = ops.logical_and(assigned, classes > 0)
    ignored = ops.logical_or(assigned, _in_regions(anchors, gt_boxes, gt_classes < 0))
    deltas = box_ops.yxyx_to_deltas(_of_row(gt_boxes, matched), anchors)
    return Targets(
        classes=ops.where(positive, classes - 1, ops.where(ignored, IGNORED, BACKGROUND)),
        boxes=ops.where(positive[..., None], deltas, 0.0),
        num_positives=ops.sum(ops.cast(positive, "float32"), axis=1),
    )


def corners_of(matched: Tensor, anchors: Tensor, gt_corners: Tensor) -> Tensor:
    """Offsets of corners float32 [B, A, 8] of anchors that answer for the rows `matched`; of the others, anything.

    Args:
        matched: int32 [B, A], of `match`.
        anchors: [A, 4] yxyx in pixels.
        gt_corners: [B, M, 4, 2] y, x in pixels, NaN where they are not known.
    """
    corners = _of_row(ops.cast(gt_corners, "float32"), matched)
    return box_ops.corners_to_deltas(corners, ops.convert_to_tensor(anchors, dtype="float32"))


def _in_regions(anchors: Tensor, gt_boxes: Tensor, regions: Tensor) -> Tensor:
    """bool [B, A]: half of an anchor or more is in a box where `regions` bool [B, M], as if it were COCO's crowd."""

    def found() -> Tensor:
        low, high = (
            pick(gt_boxes[:, :, None, ends], anchors[:, ends])
            for pick, ends in ((ops.maximum, slice(0, 2)), (ops.minimum, slice(2, 4)))
        )
        inside = ops.prod(ops.maximum(high - low, 0.0), axis=-1) >= IN_REGION * box_ops.area(anchors)
        return ops.any(ops.logical_and(inside, regions[..., None]), axis=1)

    nowhere = ops.zeros((ops.shape(gt_boxes)[0], anchors.shape[0]), dtype="bool")
    return ops.cond(ops.any(regions), found, lambda: nowhere)


def _by_threshold(anchors: Tensor, gt_boxes: Tensor, present: Tensor, counts: Tensor, iou_threshold: float) -> Choice:
    """Anchors by the ground truth that they overlap best, if their IoU reaches `iou_threshold`."""
    iou = ops.where(present[..., None], box_ops.iou(gt_boxes, anchors), -1.0)
    claim = atss.claims(iou, iou >= iou_threshold, counts[..., None])
    best_gt = ops.cast(ops.argmax(claim, axis=1), "int32")
    return Choice(
        matched=ops.where(ops.max(claim, axis=1) > atss.NO_CLAIM, best_gt, -1),
        best=ops.cast(ops.argmax(iou, axis=2), "int32"),
        overlap=ops.max(iou, axis=2),
    )


def _first_come(wanted: Tensor, wanting: Tensor, counts: Tensor, num_anchors: int) -> Tensor:
    """Who takes an anchor by right of being its best: ground-truth row int32 [B, A], -1 for none.

    Args:
        wanted: int32 [B, M], the anchor that each ground truth overlaps best.
        wanting: bool [B, M], whether it takes one at all.
        counts: bool [B, M], whether it goes before those to be ignored.
        num_anchors: A.
    """
    batch, rows = ops.shape(wanted)
    index = ops.arange(rows, dtype="int32")
    rank = ops.where(counts, index, index + rows)
    rivals = ops.logical_and(wanted[:, :, None] == wanted[:, None, :], wanting[:, :, None])
    beaten = ops.any(ops.logical_and(rivals, rank[:, :, None] < rank[:, None, :]), axis=1)
    takes = ops.logical_and(wanting, ops.logical_not(beaten))
    cell = wanted + ops.arange(batch, dtype="int32")[:, None] * num_anchors
    taken = ops.scatter(
        ops.reshape(cell, (-1, 1)),
        ops.reshape(ops.where(takes, index + 1, 0), (-1,)),
        (batch * num_anchors,),
    )
    return ops.reshape(taken, (batch, num_anchors)) - 1


def _of_row(values: Tensor, row: Tensor) -> Tensor:
    """[B, A, ...] what `values` [B, M, ...] has in the row int32 [B, A] of each anchor; in its first row for -1."""
    batch, rows = ops.shape(values)[:2]
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(flat, ops.maximum(row, 0) + ops.arange(batch, dtype="int32")[:, None] * rows, axis=0)
