"""Warnings named after their causes, each with the numbers that show it and the knob that mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training.data import Batch
from plates.efficientdet.training.detector import Detector
from plates.efficientdet.training.history import Row

Say = Callable[[str], None]
USUAL_PEAK = {"sgd": (1e-4, 0.5), "adam": (1e-5, 0.01), "adamw": (1e-5, 0.01)}
LOOK_AFTER = 50


def learning_rate(train: TrainConfig, say: Say) -> None:
    """Warns of a peak rate outside of what the optimizer usually stands, after scaling by the batch."""
    peak = train.learning_rate * train.batch_size / 64
    low, high = USUAL_PEAK[train.optimizer]
    if not low <= peak <= high:
        say(
            f"Warning: learning rate: train.learning_rate {train.learning_rate:g} is {peak:.2g} at batch "
            f"{train.batch_size} (scaled by batch / 64); {train.optimizer} usually works between {low:g} and {high:g}."
        )


def class_prior(first: Row, spec: Spec, anchors: int, say: Say) -> None:
    """Warns where the class head does not start out saying "background", as its bias of -log(99) makes it.

    `first` is the row of the first step. An anchor without an object costs 1e-5 at a probability of 0.01, and 0.18 at
    0.5 (focal loss with the usual alpha and gamma).
    """
    each = first.cls * (first.positives + 1) / (anchors * spec.num_classes)
    if each > 0.02:
        say(
            f"Warning: class head: the first step's class loss is {first.cls:.3g}, {each:.2g} an anchor, so the head "
            "starts by seeing objects everywhere: its bias is not at the prior of 0.01. Check model.pretrained."
        )


def ignored_boxes(rows: Sequence[Row], say: Say) -> None:
    """Warns where augmentation kept over a tenth of the boxes of the first 50 steps from being learnt: shrunk too
    small, or cut out of the picture.
    """
    boxes, ignored, dropped = (sum(getattr(row, name) for row in rows) for name in ("boxes", "ignored", "dropped"))
    if ignored > 0.1 * (ignored + boxes):
        say(
            f"Warning: augmentation: {ignored / (ignored + boxes):.0%} of the boxes are under augment.min_box_side "
            "after scaling and are not learnt. Raise augment.jitter_min or model.image_size."
        )
    if dropped > 0.1 * (dropped + boxes):
        say(
            f"Warning: augmentation: {dropped / (dropped + boxes):.0%} of the boxes are cut out of the picture or show "
            "less than augment.min_visible_area, and are not learnt. Lower augment.jitter_max."
        )


def early(rows: Sequence[Row], spec: Spec, anchors: int, say: Say) -> None:
    """What the first steps show; call after each step."""
    if len(rows) == 1:
        class_prior(rows[0], spec, anchors, say)
    if len(rows) == LOOK_AFTER:
        ignored_boxes(rows, say)


def batch_norm(detector: Detector, batch: Batch, row: Row, momentum: float, say: Say) -> None:
    """Warns where batch norm's running statistics have not settled, so that inference is worse than training.

    Compares the loss of the last batch in training mode (its row) with that of inference mode, same weights but for
    one update.
    """
    images, targets = batch
    # Keras gives the outputs of the whole batch once for each replica.
    outputs = {name: value[: len(images)] for name, value in detector.predict_on_batch(images).items()}
    inference = float(detector.compute_loss(images, targets, outputs, training=False))
    if inference > 2.0 * row.loss + 0.2:
        say(
            f"Warning: batch norm: on the last batch the loss is {row.loss:.3g} in training mode and {inference:.3g} "
            f"in inference mode: the running statistics (momentum {momentum:.3g}) have not settled. Lower "
            "train.batch_norm_momentum, train for more steps, or use larger batches."
        )
