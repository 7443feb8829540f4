"""Warnings named after their causes, each with the numbers that show it and the setting that fixes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.checkpoints.load import PREDICTIONS
from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.config import TrainConfig
from plates.efficientdet.config.train import DROWNED, USUAL_PEAK
from plates.efficientdet.model.backbone_tables import backbone_table
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import losses, matching
from plates.efficientdet.training.data import Batch
from plates.efficientdet.training.detector import Detector
from plates.efficientdet.training.history import Row

Say = Callable[[str], None]
LOOK_AFTER = 50  # steps
RECENT = 20  # steps that a mean is taken over
PRIOR = 0.01  # class score of a fresh head
STALE = 3  # evaluations
RISE = 0.002
LEARNT = 0.05  # a score under which nothing has been learned yet
OTHER = 1.25  # times: anchors that differ by less are near those of before
PLAIN = 15  # grey levels of deviation: pictures have more


def learning_rate(train: TrainConfig, say: Say) -> None:
    """Warns of a peak rate outside the optimizer's usual range, after scaling by the batch."""
    peak = train.learning_rate * train.batch_size / 64
    low, high = USUAL_PEAK[train.optimizer]
    if not low <= peak <= high:
        say(
            f"Warning: learning rate: train.learning_rate {train.learning_rate:g} is {peak:.2g} at batch "
            f"{train.batch_size} (scaled by batch / 64); {train.optimizer} usually works between {low:g} and {high:g}."
        )


def pretrained(report: LoadReport, spec: Spec, label_map: Mapping[int, str], say: Say) -> None:
    """Warns if the heads that were loaded were trained for other classes or anchors, as their checkpoint says."""
    given = Path(report.source)
    folder = given if given.is_dir() else given.parent
    if not (folder / saved_detector.MODEL).is_file():
        return
    before, names, _ = saved_detector.described(folder)
    classes, boxes = (
        any(name.startswith(head) for name in report.matched)
        and not any(name.startswith(head) for name in report.reinitialised)
        for head in PREDICTIONS
    )
    if classes and names != dict(label_map):
        say(
            f"Warning: pretrained classes: the class head of {report.source} was trained for {names}, and here the "
            f"classes are {dict(label_map)}. Unless these only rename the classes, it starts from wrong ones."
        )
    was, now = (np.log([*np.ravel(one.aspect_ratios), *one.anchor_scale]) for one in (before, spec))
    if boxes and (was.shape != now.shape or np.abs(was - now).max() > math.log(OTHER)):
        say(
            f"Warning: pretrained anchors: the box head of {report.source} was trained for anchors of other shapes or "
            f"sizes, some by over {OTHER} times, so its first boxes are off by as much. Short runs keep the anchors: "
            f"model.aspect_ratios: {[list(ratio) for ratio in before.aspect_ratios]}, model.anchor_scale: "
            f"{list(before.anchor_scale)}."
        )


def class_prior(first: Row, spec: Spec, anchors: int, train: TrainConfig, say: Say) -> None:
    """Warns if the class head does not start out saying "background", as its bias of -log(99) makes it.

    `first` is the row of the first step. With the usual focal loss an anchor without an object costs 1e-5 at a
    probability of 0.01, and 0.18 at 0.5; what those with one cost does not count.
    """
    objects = first.positives * _class_cost(train, PRIOR, 0)
    each = (first.cls * (first.positives + 1) - objects) / (anchors * spec.num_classes)
    fresh, unsure = (_class_cost(train, score, matching.BACKGROUND) for score in (PRIOR, 0.5))
    if each > max(0.01, math.sqrt(fresh * unsure)):
        say(
            f"Warning: class head: the first step's class loss is {first.cls:.3g}, {each:.2g} per anchor, so the head "
            "starts by seeing objects everywhere: its bias is not at the prior of 0.01. Check model.pretrained."
        )


def _class_cost(train: TrainConfig, score: float, target: int) -> float:
    """Class loss of one anchor of a class or the background, where the network gives it this score."""
    logits, classes = np.full((1, 1, 1), math.log(score / (1 - score)), np.float32), np.array([[target]], np.int32)
    if train.quality_loss is None:
        return float(losses.focal_loss(classes, logits, 1.0, train.alpha, train.gamma, train.label_smoothing))
    fits = (classes >= 0).astype(np.float32)
    return float(losses.quality_loss(classes, logits, fits, 1.0, train.quality_loss, train.alpha, train.gamma))


def pixels(network: keras.Model, spec: Spec, images: Any, say: Say) -> None:
    """Warns if what the first convolution sees of a batch cannot be pictures in the units that its weights expect.

    Undoes the normalisation that the backbone's weights expect; a picture then has a mean in 0 to 255, and a deviation
    that is neither nearly 0 nor more than half of the range.
    """
    seen = keras.ops.convert_to_numpy(network.get_layer("normalization")(keras.ops.cast(images, "float32")))
    usual = backbone_table(spec.backbone)
    mean = seen.mean(axis=(0, 1, 2)) * usual.stddev_rgb + usual.mean_rgb
    deviation = seen.std(axis=(0, 1, 2)) * usual.stddev_rgb
    if mean.min() >= 0 and mean.max() <= 255 and deviation.min() >= PLAIN and deviation.max() <= 128:
        return
    say(
        f"Warning: pixels: in the units that the weights expect, the first batch has means of {_three(mean)} and "
        f"deviations of {_three(deviation)} (R, G, B), where pictures have 0 to 255 and {PLAIN} to 128. Check "
        "model.mean_rgb and model.stddev_rgb; null is the backbone's own."
    )


def _three(values: np.ndarray) -> str:
    return ", ".join(f"{value:.0f}" for value in values)


def ignored_boxes(rows: Sequence[Row], say: Say) -> None:
    """Warns if augmentation kept over a tenth of the boxes of the first 50 steps from being learned.

    They were shrunk too small, or cut out of the picture.
    """
    boxes, ignored, dropped = (sum(getattr(row, name) for row in rows) for name in ("boxes", "ignored", "dropped"))
    if ignored > 0.1 * (ignored + boxes):
        say(
            f"Warning: augmentation: {ignored / (ignored + boxes):.0%} of the boxes are under augment.min_box_side "
            "after scaling and are not learned. Raise augment.jitter_min or model.image_size."
        )
    if dropped > 0.1 * (dropped + boxes):
        say(
            f"Warning: augmentation: {dropped / (dropped + boxes):.0%} of the boxes are cut out of the picture or show "
            "less than augment.min_visible_area, and are not learned. Lower augment.jitter_max."
        )


def early(rows: Sequence[Row], spec: Spec, anchors: int, train: TrainConfig, say: Say) -> None:
    """What the first steps show; call after each step."""
    if len(rows) == 1:
        class_prior(rows[0], spec, anchors, train, say)
    if len(rows) == LOOK_AFTER:
        ignored_boxes(rows, say)


def after_warmup(rows: Sequence[Row], warmup: int, train: TrainConfig, say: Say) -> None:
    """What shows once the rate has reached its peak; call after each step."""
    if len(rows) == max(warmup, LOOK_AFTER) + RECENT:
        dead_class_head(rows[-RECENT:], say)
        drowning(rows[-RECENT:], train, say)


def dead_class_head(rows: Sequence[Row], say: Say) -> None:
    """Warns if no picture of these steps has a class score over the prior of 0.01."""
    best = max(row.top_score for row in rows)
    if best < PRIOR:
        say(
            f"Warning: dead class head: after warm-up the highest class score of a picture is {best:.2g} (over "
            f"{len(rows)} steps), under the prior of {PRIOR}: everything is background. Raise train.alpha or "
            "lower train.learning_rate; reports/dataset_card.html shows whether the boxes are on the plates."
        )


def drowning(rows: Sequence[Row], train: TrainConfig, say: Say) -> None:
    """Warns if one term of the loss, with its weight, is over 30 times the other."""
    classes = sum(row.cls for row in rows) / len(rows)
    boxes = sum(train.box_loss_weight * row.box + train.iou_loss_weight * row.iou for row in rows) / len(rows)
    if not classes or not boxes or max(classes, boxes) <= DROWNED * min(classes, boxes):
        return
    loud, quiet = ("box", "class") if boxes > classes else ("class", "box")
    turn = "Lower" if boxes > classes else "Raise"
    say(
        f"Warning: one term drowns the other: over {len(rows)} steps the class loss is {classes:.3g} and the weighted "
        f"box loss {boxes:.3g}: next to the {loud} loss, the {quiet} loss hardly moves the weights. {turn} "
        f"train.box_loss_weight (now {train.box_loss_weight:g})."
    )


def overfitting(rows: Sequence[Row], figure: str, say: Say) -> bool:
    """Warns if validation has fallen well below its best while the training loss kept falling; returns whether it did.

    The last two evaluations must both be under the best by over 0.05 and over a tenth of it.
    """
    scores = [row for row in rows if not math.isnan(row.validation)]
    best = max(scores, key=lambda row: row.validation, default=None)
    if best is None or best in scores[-2:]:
        return False
    limit = best.validation - max(0.05, 0.1 * best.validation)
    before = [row.loss for row in rows[max(0, best.step - RECENT) : best.step]]
    now = [row.loss for row in rows[-RECENT:]]
    if max(row.validation for row in scores[-2:]) > limit or sum(now) / len(now) >= sum(before) / len(before):
        return False
    say(
        f"Warning: over-fitting: validation {figure} was {best.validation:.3f} after step {best.step} and is now "
        f"{scores[-1].validation:.3f}, while the training loss fell from {sum(before) / len(before):.3g} to "
        f"{sum(now) / len(now):.3g}. The best weights are kept. Raise train.weight_decay or the augmentation, freeze "
        "more (train.var_freeze_expr), stop earlier (train.patience), or add photographs."
    )
    return True


def plateau(rows: Sequence[Row], figure: str, say: Say) -> bool:
    """Reports that the last three evaluations brought no improvement; returns whether it did."""
    scores = [row for row in rows if not math.isnan(row.validation)]
    if len(scores) <= STALE:
        return False
    earlier, late = (max(row.validation for row in part) for part in (scores[:-STALE], scores[-STALE:]))
    if late > earlier + RISE or late < LEARNT:
        return False
    say(
        f"Plateau: validation {figure} has risen by no more than {RISE} above {earlier:.3f} in the last {STALE} "
        "evaluations. More steps bring little; train.patience stops a run where it does not rise at all."
    )
    return True


def batch_norm(detector: Detector, batch: Batch, row: Row, momentum: float, say: Say) -> bool:
    """Warns if batch norm's running statistics are far from the batch's, so that inference is worse than training.

    Compares the loss of a batch in training mode (its row) with that in inference mode, with weights one update apart.
    Returns whether it warned.
    """
    images, targets = batch
    # Keras gives the outputs of the whole batch once for each replica.
    outputs = {name: value[: len(images)] for name, value in detector.predict_on_batch(images).items()}
    inference = float(detector.compute_loss(images, targets, outputs, training=False))
    if inference <= 2.0 * row.loss + 0.2:
        return False
    say(
        f"Warning: batch norm: on the batch of step {row.step} the loss is {row.loss:.3g} in training mode and "
        f"{inference:.3g} in inference mode: the running statistics (momentum {momentum:.3g}) have not settled. Lower "
        "train.batch_norm_momentum, train for more steps, or use larger batches."
    )
    return True
