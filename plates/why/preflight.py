"""What can be checked before training, each as a question with its answer.

Do anchors reach the augmented boxes, do classes agree, is a perfect detector scored as perfect, do rate and batch norm
suit the run, do the boxes contain something. Everything is computed in seconds, with NumPy, from tables and a sample of
photographs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from plates.columns import BOX, CORNERS
from plates.efficientdet.config import AugmentConfig, TrainConfig
from plates.efficientdet.config.run_length import SETTLED
from plates.efficientdet.config.train import USUAL_PEAK
from plates.efficientdet.evaluation import metrics
from plates.efficientdet.model import anchor_fit
from plates.efficientdet.model.family import Spec, assignment
from plates.why.content import PLAIN

SAMPLE = 2_000
"""Boxes that are augmented."""
DRAWS = 8
MOST_LOST = 0.1
SMALL = 8.0
"""Pixels of a plate's smaller side below which little of it is visible."""
LEAST_REACHED = 0.8
SLICES = 3
"""Parts by size."""


@dataclass(frozen=True)
class Answer:
    """One question and what was found.

    Attributes:
        question: its name.
        said: the answer in a sentence, with figures.
        holds: whether it is as it should be.
        hopeless: nothing could be learned, so training must not begin.
        figures: numbers by name.
    """

    question: str
    said: str
    holds: bool = True
    hopeless: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Augmented:
    """Boxes as training sees them: [N * DRAWS] rows.

    Attributes:
        sizes: width and height in pixels of the network's input, cut at the edge of the picture [M, 2].
        centres: x and y [M, 2].
        small: a side is under `augment.min_box_side` [M].
        dropped: less than `augment.min_visible_area` is seen [M].
    """

    sizes: np.ndarray
    centres: np.ndarray
    small: np.ndarray
    dropped: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """Boxes that are not learned."""
        return self.small | self.dropped


def augmented(
    rows: pd.DataFrame, labelled: pd.DataFrame, spec: Spec, augment: AugmentConfig, seed: int = 0
) -> Augmented:
    """Draws scale and crop of `plates.efficientdet.data.augment.random_window` for every box, `DRAWS` times.

    Of crops (`augment.crop_width`, `crop_height`), those around an object.

    Args:
        rows: boxes, of the rows of `plates.scoring.truth` [N].
        labelled: all boxes of their photographs: a crop is taken around any of them.
        spec: of the network.
    """
    random = np.random.default_rng(seed)
    rows = rows.loc[rows.index.repeat(DRAWS)]
    boxes, pictures = rows[BOX].to_numpy(float), rows[["width", "height"]].to_numpy(float)
    size, canvas = (np.array(sides[::-1], float) for sides in (spec.image_size, spec.training_size(augment)))
    factor = random.uniform(augment.jitter_min, augment.jitter_max, (len(boxes), 1))
    scale = (size * factor / pictures).min(axis=1, keepdims=True)
    scaled = np.maximum(pictures * scale, 1)
    out = np.minimum(scaled, canvas)
    low, high = np.zeros_like(out), scaled - out
    if (canvas < size).any():
        around = _one_each(rows["image_id"], labelled, random) * scale
        ends = np.clip([around[:, 2:] - out, around[:, :2]], 0, scaled - out)
        low, high = ends.min(axis=0), ends.max(axis=0)
    offset = low + random.uniform(size=out.shape) * (high - low)
    place = random.uniform(size=out.shape) * (canvas - out)
    whole = boxes * scale - np.tile(offset, 2)
    seen = np.clip(whole, 0, np.tile(out, 2))
    sides, whole_sides = seen[:, 2:] - seen[:, :2], whole[:, 2:] - whole[:, :2]
    visible = sides.prod(axis=1) / np.maximum(whole_sides.prod(axis=1), 1e-9)
    return Augmented(
        sides,
        (seen[:, :2] + seen[:, 2:]) / 2 + place,
        sides.min(axis=1) < augment.min_box_side,
        visible < max(augment.min_visible_area, 1e-9),
    )


def _one_each(photographs: pd.Series, labelled: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """A random box [N, 4] of each of the photographs [N]."""
    ordered = labelled.sort_values("image_id", kind="stable")
    ids, first, counts = np.unique(ordered["image_id"], return_index=True, return_counts=True)
    at = np.searchsorted(ids, photographs)
    return ordered[BOX].to_numpy(float)[first[at] + (random.uniform(size=len(at)) * counts[at]).astype(int)]


def answers(
    truth: pd.DataFrame,
    spec: Spec,
    train: TrainConfig,
    augment: AugmentConfig,
    label_map: dict[int, str],
    steps: int,
    momentum: float,
    least_recall: float,
    detail: float | None,
) -> list[Answer]:
    """Every question, of the rows of `plates.scoring.truth` in all splits.

    Args:
        spec: of the detector that will be trained.
        label_map: class id to name, of the TFRecords.
        steps: length of the run; `momentum` that of its batch norm.
        least_recall: `anchors.min_recall`.
        detail: `plates.why.content.typical_detail`; None: the photographs cannot be read.
    """
    labelled = truth[truth["class"].notna()]
    inside = labelled[labelled["split"] == "train"]
    if inside.empty:
        said = "No training photograph has a box: there is nothing to learn. Look at `plates materialize splits`"
        return [Answer("there is something to learn", said, False, True)]
    rows = inside.sample(min(SAMPLE, len(inside)), random_state=0)
    drawn = augmented(rows, inside, spec, augment)
    return [
        Answer("there is something to learn", f"{len(inside):,} boxes in train", figures={"boxes": len(inside)}),
        survival(rows, drawn, spec, augment),
        *cornered(inside, spec, augment),
        *cropping(spec, augment),
        *reached(rows, drawn, replace(spec, image_size=spec.training_size(augment)), train, least_recall),
        classes(labelled, label_map, spec.num_classes),
        perfect(truth[truth["split"].isin(["val", "test"])], label_map),
        rate(train),
        batch_norm(train, steps, momentum),
        on_plates(detail),
    ]


def survival(rows: pd.DataFrame, drawn: Augmented, spec: Spec, augment: AugmentConfig) -> Answer:
    """How many boxes survive augmentation."""
    fitted = (np.array(spec.image_size[::-1]) / rows[["width", "height"]].to_numpy(float)).min(axis=1)
    plain = (rows[BOX[2:]].to_numpy(float) - rows[BOX[:2]].to_numpy(float)).min(axis=1) * fitted
    lost, small = float(drawn.lost.mean()), float(drawn.small.mean())
    sides = drawn.sizes.min(axis=1)
    fifth = float(np.quantile(sides, 0.05))
    turn = "Lower augment.jitter_max" if lost > 2 * small else "Raise augment.jitter_min or model.image_size"
    said = (
        f"{1 - lost:.0%} of the boxes survive augmentation (jitter {augment.jitter_min:g} to {augment.jitter_max:g}); "
        f"the smaller side is {np.median(sides):.0f} px by the median, under {fifth:.1f} px in 5%"
    )
    holds = lost <= MOST_LOST and (fifth >= SMALL or fifth >= 0.6 * float(np.quantile(plain, 0.05)))
    shares = {"that survives": 1 - lost, "too small": small, "cut away": float(drawn.dropped.mean())}
    figures = {**{f"share {name}": share for name, share in shares.items()}, "side in px, 5%": fifth}
    return Answer("boxes survive augmentation", said if holds else f"{said}. {turn}", holds, lost > 0.95, figures)


def cornered(inside: pd.DataFrame, spec: Spec, augment: AugmentConfig) -> list[Answer]:
    """Whether there are corners for what needs them: `augment.copy_paste`, and the heads that learn them."""
    if not augment.copy_paste and "corners" not in spec.heads:
        return []
    count = int(inside[CORNERS].notna().all(axis=1).sum())
    said, figures = f"{count:,} of {len(inside):,} boxes in train are labelled with corners", {"with corners": count}
    answers = []
    if augment.copy_paste:
        turn = f"augment.copy_paste {augment.copy_paste:g} pastes nothing: {said}. Set it to 0"
        answers.append(Answer("objects can be pasted", said if count else turn, count > 0, figures=figures))
    if "corners" in spec.heads:
        turn = f"the corners head learns nothing: {said}. Leave it out: model.heads: object_detection"
        answers.append(Answer("corners can be learned", said if count else turn, count > 0, not count, figures))
    return answers


def cropping(spec: Spec, augment: AugmentConfig) -> list[Answer]:
    """Whether the sides that crops are to shorten can be, if there are any."""
    cell, (height, width) = 2**spec.max_level, spec.image_size
    asked = zip(("height", "width"), (height, width), spec.crop_shares(augment), strict=True)
    whole = [(name, side) for name, side, share in asked if share < 1 and side % cell]
    said = "; ".join(
        f"a {name} of {side} px is not a multiple of {cell} px, so training shows it whole and takes longer; "
        f"{side // cell * cell} or {side // cell * cell + cell} can be cropped (model.image_size)"
        for name, side in whole
    )
    return [Answer("pictures can be cropped", said, False)] if whole else []


def reached(rows: pd.DataFrame, drawn: Augmented, spec: Spec, train: TrainConfig, least: float) -> list[Answer]:
    """Whether anchors reach the boxes that survive, by subset and size."""
    kept = ~drawn.lost
    if not kept.any():
        return []
    repeated = rows.loc[rows.index.repeat(DRAWS)].reset_index(drop=True)
    area = np.sqrt(drawn.sizes.prod(axis=1))
    edges = np.quantile(area[kept], np.linspace(0, 1, SLICES + 1))
    groups = {"all": kept}
    groups |= {f"subset {name}": kept & (repeated["subset"] == name).to_numpy() for name in repeated["subset"].unique()}
    groups |= {f"{low:.0f} to {high:.0f} px": kept & (area >= low) & (area <= high) for low, high in pairwise(edges)}
    found = {
        name: anchor_fit.reach(drawn.sizes[hit], drawn.centres[hit], spec).recall
        for name, hit in groups.items()
        if hit.any()
    }
    figures = {f"share of {name}": recall for name, recall in found.items()}
    worst = min(found, key=lambda name: found[name])
    said = (
        f"{found['all']:.0%} of the boxes reach IoU 0.5 with an anchor after augmentation, {worst}: {found[worst]:.0%}"
    )
    if assignment(spec.name, spec.backbone, train.assignment) == "atss":
        fit = anchor_fit.reach(drawn.sizes[kept], drawn.centres[kept], spec).mean_iou
        near = f"{said}; atss asks for no IoU of 0.5, and the best anchor has {fit:.2f} by the mean"
        holds = fit >= anchor_fit.FAR
        said = near if holds else f"{near}. model.aspect_ratios: auto, model.anchor_scale or a larger model.image_size"
        return [Answer("anchors reach the augmented boxes", said, holds, figures=figures)]
    holds = found["all"] >= min(least, LEAST_REACHED) and found[worst] >= LEAST_REACHED / 2
    turn = ". model.aspect_ratios: auto, model.anchor_scale or a larger model.image_size"
    hopeless = found["all"] < 0.05
    return [Answer("anchors reach the augmented boxes", said if holds else said + turn, holds, hopeless, figures)]


def classes(labelled: pd.DataFrame, label_map: dict[int, str], width: int) -> Answer:
    """Whether names, ids and the network's classes agree."""
    strangers = sorted(set(labelled["class"]) - set(label_map.values()))
    train = labelled["split"] == "train"
    absent = sorted(set(labelled.loc[~train, "class"]) - set(labelled.loc[train, "class"]))
    question, figures = "classes agree", {"classes": len(label_map), "without a box in train": len(absent)}
    if strangers or max(label_map) > width:
        said = f"the label map {label_map} and the network's {width} classes do not match the labels ({strangers})"
        return Answer(question, said, False, True, figures)
    if absent:
        return Answer(
            question, f"no box in train is of {', '.join(absent)}: mAP counts them as 0", False, False, figures
        )
    learned = labelled.loc[train, "class"].nunique()
    return Answer(question, f"{len(label_map)} classes, {learned} of them with boxes in train", figures=figures)


def perfect(truth: pd.DataFrame, label_map: dict[int, str]) -> Answer:
    """Whether the labels themselves, used as detections, score 1."""
    question = "labels score 1.0 as detections"
    boxes = truth[truth["class"].notna()]
    if boxes.empty:
        return Answer(question, "val and test have no box: no score would mean anything", False)
    ids = {name: number for number, name in label_map.items()}
    found = boxes[["image_id", *BOX]].assign(score=1.0, **{"class": boxes["class"].map(ids)})
    most = int(boxes["image_id"].value_counts().max())
    score = metrics.evaluate(found, truth, label_map, max_detections=max(most, metrics.MAX_DETECTIONS)).metrics.mAP
    said = f"mAP {score:.3f} for the {len(boxes):,} labels of val and test used as detections"
    holds = score > 1 - 1e-9
    return Answer(question, said if holds else f"{said}: boxes overlap or are empty", holds, score == 0.0)


def rate(train: TrainConfig) -> Answer:
    """Whether the learning rate fits optimizer and batch."""
    peak = train.learning_rate * train.batch_size / 64
    low, high = USUAL_PEAK[train.optimizer]
    usual = f"{train.optimizer} usually works between {low:g} and {high:g}"
    said = f"the rate peaks at {peak:.2g} at batch {train.batch_size}; {usual}"
    holds = low <= peak <= high
    turn = ". `plates lr-range` suggests one for train.learning_rate"
    return Answer("the rate fits", said if holds else said + turn, holds, figures={"peak rate": peak})


def batch_norm(train: TrainConfig, steps: int, momentum: float) -> Answer:
    """Whether batch norm's statistics can settle in the run."""
    question, constants = "batch norm can settle", steps * (1 - momentum)
    figures = {"time constants": constants}
    if not train.is_training_bn:
        return Answer(question, "it is frozen", figures=figures)
    if train.batch_size <= 2:
        said = f"batches of {train.batch_size} have no statistics: train.is_training_bn: false with pretrained weights"
        return Answer(question, said, False, figures=figures)
    said = f"momentum {momentum:.3g} averages over {1 / max(1 - momentum, 1e-9):,.0f} steps, and the run has {steps:,}"
    holds = constants >= SETTLED
    needed = math.ceil(SETTLED / max(1 - momentum, 1e-9))
    turn = "train.batch_norm_momentum: null follows them" if train.batch_norm_momentum else f"train.steps: {needed}"
    return Answer(question, said if holds else f"{said}. {turn}", holds, False, figures)


def on_plates(detail: float | None) -> Answer:
    """Whether the boxes contain something."""
    question = "boxes are on the plates"
    if detail is None:
        return Answer(question, "not known: the photographs cannot be read under data.root. plates doctor", False)
    said = f"the boxes have {detail:.1f} times the detail of their surroundings (plates: 2 or more)"
    holds = detail >= PLAIN
    wrong = (
        ". x and y swapped, another scale, or another picture's: plates inspect data/boxes.parquet --picture boxes.png"
    )
    return Answer(question, said if holds else said + wrong, holds, False, {"detail": detail})


def worst(found: Sequence[Answer]) -> list[Answer]:
    """The answers that do not hold, the hopeless first."""
    return sorted((answer for answer in found if not answer.holds), key=lambda answer: not answer.hopeless)


def to_json(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """Ready for JSON."""
    return [vars(answer) for answer in found]
