"""Stops a run that cannot succeed, at the step where that shows, with the likely cause."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training.history import Row
from plates.errors import UserError

TERMS = {
    "cls": "class loss",
    "box": "box loss",
    "iou": "IoU loss",
    "corners": "corner loss",
    "seg": "segmentation loss",
    "l2": "weights (L2)",
    "gradient_norm": "gradient",
}
WINDOW = 10
GROWTH = 10.0
FIRST_STEPS = 20
MAX_NAMED = 8


class TrainingDiverged(UserError):
    """The loss is not a number, or grows. `step`, `term` (a column of the history) and `image_ids` say where."""

    def __init__(self, message: str, step: int, term: str, image_ids: list[int]) -> None:
        super().__init__(message)
        self.step, self.term, self.image_ids = step, term, image_ids


class NothingMatched(UserError):
    """Training has nothing to learn from: no boxes, or no anchor that fits them."""


def check_step(
    row: Row,
    history: Sequence[Row],
    target: Callable[[str], Any],
    spec: Spec,
    config: TrainConfig,
    kept: str,
) -> None:
    """Raises `TrainingDiverged` if this step's loss or gradient is not a number, or the loss explodes.

    It explodes if the median of the last 10 steps is over 10 times the lowest median of 10 steps so far and over 3
    times the first: a loss that falls again, or only returns to where it started, is left alone. An infinite gradient
    under float16 comes from loss scaling and is not an error.

    Args:
        row: the step; `history`: those before it.
        target: gives an array of the batch's targets by name (`gt_boxes`, `gt_classes`, `image_id`).
        kept: a sentence on where the last good state is.
    """
    broken = [name for name in TERMS if not math.isfinite(getattr(row, name))]
    if config.mixed_precision == "float16" and broken == ["gradient_norm"]:
        return
    if broken:
        term, what = broken[0], f"the {TERMS[broken[0]]} is not a number"
    elif (grown := _grown(row, history)) is not None:
        term, what = grown
    else:
        return
    ids = _image_ids(target)
    bad = [
        i for i, is_bad in zip(ids, bad_boxes(target("gt_boxes"), target("gt_classes"), spec), strict=True) if is_bad
    ]
    values = ", ".join(f"{name} {getattr(row, name):.3g}" for name in TERMS)
    raise TrainingDiverged(
        f"Step {row.step}: {what} ({values}). The batch: images {_list(ids)}. "
        f"Likely cause: {_cause(row, history, bad, config)} {kept}",
        row.step,
        term,
        ids,
    )


def check_matches(rows: Sequence[Row], say: Callable[[str], None], steps: int) -> None:
    """Raises `NothingMatched` if the first 20 steps (or all, of a shorter run) matched no anchor.

    A ground truth always takes its best anchor, whatever the IoU; so under 1.5 positives a box says that most boxes
    get only that one: warned of, with the figure.
    """
    if len(rows) != min(FIRST_STEPS, steps) or not any(row.cls for row in rows):
        return
    boxes = float(np.mean([row.boxes for row in rows]))
    positives = float(np.mean([row.positives for row in rows]))
    if boxes == 0:
        raise NothingMatched(
            f"No image of the first {len(rows)} batches has a box to learn: check data/boxes.parquet and, with "
            "augmentation, augment.min_visible_area and augment.min_box_side."
        )
    if positives == 0:
        raise NothingMatched(
            f"The anchors fit nothing: {boxes:.1f} boxes per image over {len(rows)} batches, but no anchor matched: "
            "the boxes are outside the network's input. Check that they are in pixels of model.image_size."
        )
    if positives / boxes < 1.5:
        say(
            f"Warning: anchors: {positives / boxes:.2f} positives per box, where 3 or more is usual: most boxes fit no "
            "anchor well. `plates anchors` fits model.aspect_ratios and model.anchor_scale to the boxes; a larger "
            "model.image_size or a lower model.min_level helps with small ones."
        )


def bad_boxes(boxes: np.ndarray, classes: np.ndarray, spec: Spec) -> np.ndarray:
    """bool [B]: images with a box [B, M, 4] that is NaN, empty, outside the input, or of an unknown class [B, M]."""
    height, width = spec.image_size
    ymin, xmin, ymax, xmax = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    inside = (ymax > ymin) & (xmax > xmin) & (ymax > 0) & (xmax > 0) & (ymin < height) & (xmin < width)
    fine = inside & np.isfinite(boxes).all(axis=-1) & (classes <= spec.num_classes)
    return (~fine & (classes != 0)).any(axis=1)


def _grown(row: Row, history: Sequence[Row]) -> tuple[str, str] | None:
    """The term that rose most, and a sentence on it; None if the loss does not explode."""
    if len(history) + 1 < 2 * WINDOW:
        return None
    first, last = (np.median([r.loss for r in rows]) for rows in (history[:WINDOW], [*history[1 - WINDOW :], row]))
    if last <= 3 * first:  # nearly always, and known without a look at the whole history
        return None
    losses = [earlier.loss for earlier in history] + [row.loss]
    medians = np.median(np.lib.stride_tricks.sliding_window_view(losses, WINDOW), axis=1)
    if medians[-1] <= GROWTH * medians.min():
        return None
    before = history[int(medians.argmin())]
    term = max(("cls", "box", "iou", "corners", "seg"), key=lambda n: getattr(row, n) / max(getattr(before, n), 1e-6))
    return term, (
        f"the loss is growing: {medians[-1]:.3g} over the last {WINDOW} steps after {medians.min():.3g} at best, "
        f"mostly the {TERMS[term]}"
    )


def _cause(row: Row, history: Sequence[Row], bad: Sequence[int], config: TrainConfig) -> str:
    if bad:
        return f"bad boxes (NaN, empty, outside or of an unknown class) in images {_list(bad)}."
    calm = all(earlier.gradient_norm < 100 for earlier in history[-WINDOW:])
    if config.mixed_precision == "float16" and calm and not math.isfinite(row.loss):
        return "float16 overflows at 65504: use train.mixed_precision: bfloat16, or null."
    if not history:
        return "this is the first step, so the starting weights (model.pretrained) contain NaN or infinity."
    return (
        f"a learning rate of {row.learning_rate:.2g} is too high for batches of {config.batch_size}: halve "
        "train.learning_rate, lengthen train.lr_warmup_epoch or lower train.clip_gradients_norm."
    )


def _image_ids(target: Callable[[str], Any]) -> list[int]:
    ids = target("image_id")
    return [int(i) for i in (range(len(target("gt_classes"))) if ids is None else ids)]


def _list(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else ""
    return ", ".join(str(i) for i in ids[:MAX_NAMED]) + more
