"""What training minimises: focal loss for classes or their quality, Huber loss for boxes and corners, IoU loss, L2.

Numbers agree with the reference (google/automl, `tf2/train_lib.py` and `iou_utils.py`); `reference=True` also brings
back its quirks. Every sum is divided by `normalizer`: the positives of the whole batch, over all devices, plus one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import keras
from keras import ops

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model.boxes import Tensor, area, centre, deltas_to_yxyx
from plates.efficientdet.training.matching import IGNORED, Targets

IouLossType = Literal["iou", "giou", "diou", "ciou"]
QualityLossType = Literal["qfl", "vfl"]


def detection_loss(
    outputs: dict[str, Tensor],
    targets: Targets,
    anchors: Tensor,
    normalizer: Tensor,
    train: TrainConfig,
    class_weights: Sequence[float] | None = None,
    taught: dict[str, Tensor] | None = None,
    corners: Tensor | None = None,
) -> dict[str, Tensor]:
    """The detector's loss and its terms, each a float32 scalar (L2 apart: `l2_loss`).

    Args:
        outputs: `class` logits [B, A, C] and `box` deltas [B, A, 4] of the network; `corners` [B, A, 8] if it has them.
        targets: of `matching.targets_of`.
        anchors: [A, 4] yxyx in pixels.
        normalizer: scalar, positives of the whole batch plus one.
        train: weights and shapes of the terms.
        class_weights: [C], for the anchors of each class.
        taught: as `outputs`, a teacher's.
        corners: of `matching.corners_of`; None: not learned.

    Returns:
        `class_loss`, `box_loss`, `iou_loss`, `teacher_loss` and `corners_loss` (those that there are; the last has the
        weight of `box_loss`, whose unit it shares) and `det_loss`, their weighted sum.
    """
    logits, deltas = ops.cast(outputs["class"], "float32"), ops.cast(outputs["box"], "float32")
    if train.quality_loss is None:
        class_loss = focal_loss(
            targets.classes, logits, normalizer, train.alpha, train.gamma, train.label_smoothing, class_weights
        )
    else:
        quality = iou_of_positives(targets, deltas, anchors)
        class_loss = quality_loss(
            targets.classes, logits, quality, normalizer, train.quality_loss, train.alpha, train.gamma, class_weights
        )
    terms = {
        "class_loss": class_loss,
        "box_loss": huber_loss(targets, deltas, normalizer, train.delta, train.reference),
    }
    total = terms["class_loss"] + train.box_loss_weight * terms["box_loss"]
    if train.iou_loss_type is not None:
        terms["iou_loss"] = iou_loss(targets, deltas, anchors, normalizer, train.iou_loss_type, train.reference)
        total = total + train.iou_loss_weight * terms["iou_loss"]
    if taught is not None:
        terms["teacher_loss"] = distillation_loss(logits, deltas, taught, targets, normalizer, train)
        total = total + train.teacher_weight * terms["teacher_loss"]
    if corners is not None:
        terms["corners_loss"] = corners_loss(targets, corners, outputs["corners"], normalizer, train.delta)
        total = total + train.box_loss_weight * terms["corners_loss"]
    return {**terms, "det_loss": total}


def focal_loss(
    classes: Tensor,
    logits: Tensor,
    normalizer: Tensor,
    alpha: float = 0.25,
    gamma: float = 1.5,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """Focal loss (arXiv:1708.02002, equation 5) over all anchors and classes, a scalar.

    Label smoothing changes the cross-entropy only, not the focusing. With z = logit or -logit, whichever favours the
    target, cross-entropy is softplus(-z) and (1 - p)^gamma is exp(-gamma softplus(z)): no power, no division.

    Args:
        classes: int [B, A], 0-based; `BACKGROUND`; `IGNORED` anchors count nothing.
        logits: [B, A, C].
        class_weights: [C] factors for anchors of a class (arXiv:1901.05555); the background's is 1.
    """
    of_anchor = _anchor_weights(classes, logits, class_weights)

    def total(logits: Tensor) -> Tensor:
        positive = _positive(classes, logits)
        z = ops.where(positive, logits, -logits)
        cross_entropy = ops.softplus(-z)
        weight = ops.where(positive, alpha, 1.0 - alpha) * ops.exp(-gamma * (z + cross_entropy))
        if label_smoothing:
            cross_entropy = cross_entropy + 0.5 * label_smoothing * z
        return ops.sum(weight * cross_entropy * of_anchor[..., None]) / normalizer

    return _with_gradient(total, logits)


def quality_loss(
    classes: Tensor,
    logits: Tensor,
    quality: Tensor,
    normalizer: Tensor,
    kind: QualityLossType,
    alpha: float = 0.25,
    gamma: float = 1.5,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """Cross-entropy of scores with how well a positive's box fits, over all anchors and classes, a scalar.

    A score then says how tight its box is, and ranks the candidates of one object. QFL (arXiv:2006.04388, equation 2)
    weighs by |target - score|^gamma and has no alpha; VFL (arXiv:2008.13367, equation 2) weighs positives by their
    quality, the rest by alpha score^gamma.

    Args:
        classes: int [B, A], 0-based; `BACKGROUND`; `IGNORED` anchors count nothing.
        logits: [B, A, C].
        quality: [B, A], the target 0 to 1 of positive anchors (`iou_of_positives`); the others' is 0.
        class_weights: [C] factors for anchors of a class; the background's is 1.
    """
    of_anchor = _anchor_weights(classes, logits, class_weights)

    def total(logits: Tensor) -> Tensor:
        positive = _positive(classes, logits)
        target = ops.where(positive, quality[..., None], 0.0)
        if kind == "qfl":
            losses = _qfl(logits, target, gamma)
        else:
            weight = ops.where(positive, target, alpha * ops.exp(-gamma * ops.softplus(-logits)))
            losses = weight * _cross_entropy(logits, target)
        return ops.sum(losses * of_anchor[..., None]) / normalizer

    return _with_gradient(total, logits)


def distillation_loss(
    logits: Tensor,
    deltas: Tensor,
    taught: dict[str, Tensor],
    targets: Targets,
    normalizer: Tensor,
    train: TrainConfig,
) -> Tensor:
    """How far the answers are from a teacher's (arXiv:1503.02531), a scalar.

    The scores of all anchors are drawn to the teacher's by QFL, whose focus is where the two differ; the boxes of
    positive anchors by the Huber loss, with its weight.

    Args:
        logits: [B, A, C].
        deltas: [B, A, 4].
        taught: `class` logits and `box` deltas of the teacher.
        targets: says which anchors are positive, and which are ignored.
    """
    scores = ops.sigmoid(ops.cast(taught["class"], "float32"))
    of_anchor = _anchor_weights(targets.classes, logits, None)

    def total(logits: Tensor) -> Tensor:
        return ops.sum(_qfl(logits, scores, train.gamma) * of_anchor[..., None]) / normalizer

    boxes = targets._replace(boxes=ops.cast(taught["box"], "float32"))
    return _with_gradient(total, logits) + train.box_loss_weight * huber_loss(boxes, deltas, normalizer, train.delta)


def iou_of_positives(targets: Targets, deltas: Tensor, anchors: Tensor) -> Tensor:
    """IoU [B, A] of the decoded and the true box of positive anchors, 0 elsewhere; a constant to the gradient."""
    positive = targets.classes >= 0
    found = deltas_to_yxyx(ops.where(positive[..., None], deltas, targets.boxes), anchors)
    iou = iou_similarity(found, deltas_to_yxyx(targets.boxes, anchors), "iou")
    return ops.stop_gradient(ops.where(positive, iou, 0.0))


def huber_loss(
    targets: Targets, deltas: Tensor, normalizer: Tensor, delta: float = 0.1, reference: bool = False
) -> Tensor:
    """Huber loss of the box deltas [B, A, 4] of positive anchors, a scalar; quadratic up to `delta`, then linear.

    reference: leaves out every single coordinate whose target is exactly 0, as the reference does.
    """
    mask = _mask(targets, reference)
    error = ops.abs(deltas - targets.boxes) * mask
    return _huber(error, delta) / (4.0 * normalizer)


def corners_loss(targets: Targets, corners: Tensor, found: Tensor, normalizer: Tensor, delta: float = 0.1) -> Tensor:
    """Huber loss of the corner offsets `found` [B, A, 8] of positive anchors whose `corners` are known, a scalar.

    The mean over the eight numbers, as `huber_loss` is over a box's four. Corners that are not known are NaN.
    """
    known = ops.logical_and(targets.classes[..., None] >= 0, ops.isfinite(corners))
    error = ops.abs(ops.where(known, ops.cast(found, "float32") - corners, 0.0))
    return _huber(error, delta) / (8.0 * normalizer)


def iou_loss(
    targets: Targets,
    deltas: Tensor,
    anchors: Tensor,
    normalizer: Tensor,
    kind: IouLossType,
    reference: bool = False,
) -> Tensor:
    """1 - IoU (or GIoU, DIoU, CIoU) of decoded and true boxes of positive anchors, summed, a scalar.

    reference: zeroes single decoded coordinates whose target delta is exactly 0, as the reference does.
    """
    positive = targets.classes >= 0
    true = deltas_to_yxyx(targets.boxes, anchors)
    found = deltas_to_yxyx(ops.where(positive[..., None], deltas, targets.boxes), anchors)
    if reference:
        mask = _mask(targets, reference)
        true, found = true * mask, found * mask
        positive = area(true) > 0
    losses = ops.where(positive, 1.0 - iou_similarity(found, true, kind), 0.0)
    return ops.sum(losses) / (4.0 * normalizer)


def iou_similarity(boxes: Tensor, others: Tensor, kind: IouLossType) -> Tensor:
    """IoU [...] of each of `boxes` [..., 4] with its partner in `others` [..., 4], or one of its relatives.

    GIoU: arXiv:1902.09630. DIoU and CIoU: arXiv:1911.08287; CIoU's trade-off factor is a constant to the gradient.
    """
    inner = _corners(ops.maximum, ops.minimum, boxes, others)
    outer = _corners(ops.minimum, ops.maximum, boxes, others)
    union = area(boxes) + area(others) - area(inner)
    iou = ops.divide_no_nan(area(inner), union)
    if kind == "iou":
        return iou
    if kind == "giou":
        return iou - ops.divide_no_nan(area(outer) - union, area(outer))
    distance = ops.sum(ops.square(centre(boxes) - centre(others)), axis=-1)
    diagonal = ops.sum(ops.square(outer[..., 2:] - outer[..., :2]), axis=-1)
    diou = iou - ops.divide_no_nan(distance, diagonal)
    if kind == "diou":
        return diou
    shape = ops.square(_angle(boxes) - _angle(others)) * (4 / math.pi**2)
    trade_off = ops.stop_gradient(ops.divide_no_nan(shape, 1.0 - iou + shape))
    return diou - trade_off * shape


def l2_loss(kernels: Iterable[Tensor], weight_decay: float) -> Tensor:
    """weight_decay * sum(w^2) / 2 over `kernels`, a float32 scalar; the reference's weight decay for sgd and adam."""
    squares = [ops.sum(ops.square(ops.cast(kernel, "float32"))) for kernel in kernels]
    return 0.5 * weight_decay * ops.sum(ops.stack(squares)) if squares else ops.zeros(())


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Of each score with `target`, 0 to 1."""
    return ops.softplus(logits) - target * logits


def _qfl(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Quality Focal Loss of each score, not summed."""
    weight = ops.power(ops.maximum(ops.abs(target - ops.sigmoid(logits)), 1e-6), gamma)
    return weight * _cross_entropy(logits, target)


def _anchor_weights(classes: Tensor, logits: Tensor, class_weights: Sequence[float] | None) -> Tensor:
    """[B, A]: 0 for ignored anchors, the class's weight for positives, 1 for the background."""
    weights = ops.cast(ops.not_equal(classes, IGNORED), logits.dtype)
    if class_weights is None:
        return weights
    table = ops.convert_to_tensor([*class_weights, 1.0], dtype=logits.dtype)
    return weights * ops.take(table, ops.where(classes >= 0, classes, logits.shape[-1]))


def _positive(classes: Tensor, logits: Tensor) -> Tensor:
    """bool [B, A, C]: where the anchor is of the class."""
    return ops.equal(classes[..., None], ops.arange(logits.shape[-1], dtype=classes.dtype))


def _with_gradient(total: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """`total(logits)`, its gradient computed with it on TensorFlow."""
    if keras.backend.backend() == "tensorflow":
        from plates.efficientdet.model.tensorflow_kernels import scalar_with_gradient

        return scalar_with_gradient(total, logits)
    return total(logits)


def _huber(error: Tensor, delta: float) -> Tensor:
    """The sum over errors that are 0 or more."""
    bent = ops.minimum(error, delta)
    return ops.sum(bent * (error - 0.5 * bent))


def _mask(targets: Targets, reference: bool) -> Tensor:
    """float32 [B, A, 1], or [B, A, 4] in the reference's way: which coordinates count."""
    kept = ops.not_equal(targets.boxes, 0.0) if reference else targets.classes[..., None] >= 0
    return ops.cast(kept, "float32")


def _corners(low: Callable[..., Tensor], high: Callable[..., Tensor], boxes: Tensor, others: Tensor) -> Tensor:
    """Boxes [..., 4] from `low` of both upper left corners and `high` of both lower right ones."""
    return ops.concatenate([low(boxes[..., :2], others[..., :2]), high(boxes[..., 2:], others[..., 2:])], axis=-1)


def _angle(boxes: Tensor) -> Tensor:
    """arctan(width / height) [...], 0 if the height is 0."""
    height_width = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return ops.arctan(ops.divide_no_nan(height_width[..., 1], height_width[..., 0]))
