"""Causes in the settings and the course of training."""

import math
import re

import numpy as np

from plates.efficientdet.config.run_length import SETTLED
from plates.efficientdet.config.train import DROWNED, USUAL_PEAK
from plates.efficientdet.model import anchor_fit
from plates.efficientdet.model.backbone_tables import KERAS_BACKBONE, MEAN_RGB, STDDEV_RGB
from plates.efficientdet.model.family import assignment
from plates.why.evidence import Evidence
from plates.why.finding import DECISIVE, LIKELY, POSSIBLE, STRONG, Finding
from plates.why.placement import SURE

WINDOW = 10
HEADS = ("box_net/box-0/pointwise_kernel", "class_net/class-0/pointwise_kernel")
BACKBONE = "efficientnet"
"""How the names of a backbone's variables start."""
FEWEST_STEPS = 100
LEAST_ALPHA = 0.1
"""Focal loss: with it and less, nothing is learned (Lin et al., 2017, table 1a)."""


def learning_rate(e: Evidence) -> Finding | None:
    """A rate outside the optimizer's usual range, or a loss that shows it."""
    peak = e.params["train.learning_rate"] * e.params["train.batch_size"] / 64
    low, high = USUAL_PEAK[e.params["train.optimizer"]]
    outside = max(peak / high, low / peak)
    if outside <= 1 and "learning rate" not in e.warnings and not _grows(e):
        return None
    high_side = peak > high or (outside <= 1 and _grows(e))
    seen = f"loss {_median(e, 'loss', True):.3g} at first, {_median(e, 'loss', False):.3g} at the end"
    return Finding(
        "the learning rate is too high" if high_side else "the learning rate is too low",
        min(DECISIVE, STRONG + 0.05 * math.log10(max(outside, 1))) if outside > 1 else LIKELY,
        f"train.learning_rate {e.params['train.learning_rate']:g} is {peak:.2g} at batch "
        f"{e.params['train.batch_size']} (scaled by batch / 64); {e.params['train.optimizer']} usually works between "
        f"{low:g} and {high:g}. {'Steps overshoot.' if high_side else 'The weights hardly move.'}",
        f"train.learning_rate, {'down' if high_side else 'up'}",
        "plates lr-range",
        [seen] if len(e.history) else [],
    )


def batch_norm(e: Evidence) -> Finding | None:
    """Running statistics that differ from the batches' own."""
    if not e.params["train.is_training_bn"]:
        return None
    momentum, steps, batch = e.run.get("batch_norm_momentum", 0.9), len(e.history), e.params["train.batch_size"]
    chosen = e.params["train.batch_norm_momentum"] is not None  # else it follows the steps
    unsettled = chosen and 0 < steps * (1 - momentum) < SETTLED
    if "batch norm" not in e.warnings and not unsettled and batch > 2:
        return None
    said = f"Momentum {momentum:.3g} averages over {1 / max(1 - momentum, 1e-6):,.0f} steps, and the run has {steps:,}"
    why = (
        f"{said}: the statistics that inference uses still include those of the start."
        if unsettled
        else f"Batches of {batch}: each picture is normalised by itself, and the running statistics fit none of them."
        if batch <= 2
        else e.warnings["batch norm"]
    )
    best = e.history["validation"].max()
    against = [f"validation mAP reached {best:.3f}"] if best > 0.5 else []
    if not unsettled and batch > 2:
        against.append("the momentum suits the run: a rate that moves the weights too fast looks the same")
    return Finding(
        "batch norm has not settled",
        DECISIVE if unsettled else STRONG if batch <= 2 and "batch norm" in e.warnings else LIKELY,
        why,
        "train.batch_norm_momentum (null follows the steps)"
        if unsettled
        else "train.batch_size, or train.is_training_bn: false with pretrained weights",
        "plates run --set train.batch_norm_momentum=null"
        if chosen
        else f"plates run --set train.steps={math.ceil(SETTLED / (1 - momentum))}"
        if steps * (1 - momentum) < SETTLED
        else "the curves in reports/evaluation.html",
        [e.warnings["batch norm"]] if "batch norm" in e.warnings and why != e.warnings["batch norm"] else [],
        against,
    )


def frozen(e: Evidence) -> Finding | None:
    """Weights that may not move."""
    expression = e.params["train.var_freeze_expr"]
    if not expression:
        return None
    heads = [name for name in HEADS if re.match(expression, name)]
    if len(heads) == len(HEADS):
        return Finding(
            "everything is frozen",
            DECISIVE,
            f"train.var_freeze_expr {expression!r} matches the heads too: nothing is trained.",
            "train.var_freeze_expr",
            "plates run --set train.var_freeze_expr=null",
        )
    if e.params["model.pretrained"] != "none":
        return None
    return Finding(
        "random weights are frozen",
        STRONG,
        f"train.var_freeze_expr {expression!r} freezes weights that start at random (model.pretrained is none).",
        "train.var_freeze_expr: null, or model.pretrained",
        "plates run --set train.var_freeze_expr=null",
    )


def pretrained(e: Evidence) -> Finding | None:
    """Weights that did not load, or loaded only in part; a backbone's file has no heads."""
    if not e.loaded:
        return None
    backbone = e.loaded["kind"] == KERAS_BACKBONE
    missing = {name: why for name, why in e.loaded["skipped"].items() if not backbone or name.startswith(BACKBONE)}
    skipped, matched = len(missing), len(e.loaded["matched"])
    if skipped <= 0.02 * (skipped + matched):
        return None
    share = skipped / (skipped + matched)
    return Finding(
        "pretrained weights loaded in part",
        min(DECISIVE, LIKELY + 0.4 * share),
        f"{skipped:,} of {skipped + matched:,} variables are not in {e.loaded['source']}, or in another shape "
        f"({share:.0%}), and start at random among trained ones.",
        "model.pretrained, model.name, model.backbone",
        f"plates weights inspect {e.loaded['source']}",
        [f"{name}: {why}" for name, why in list(missing.items())[:3]],
    )


def other_heads(e: Evidence) -> Finding | None:
    """Pretrained heads for other classes or other anchors."""
    found = [e.warnings[name] for name in ("pretrained classes", "pretrained anchors") if name in e.warnings]
    if not found:
        return None
    turn = "model.pretrained, model.label_map, model.aspect_ratios"
    look = "plates weights inspect models/checkpoint"
    return Finding("pretrained heads are for something else", LIKELY, found[0], turn, look, found[1:])


def class_head(e: Evidence) -> Finding | None:
    """A class head that does not start at its prior, or calls everything background."""
    for name, turn in (("class head", "model.pretrained"), ("dead class head", "train.alpha, train.learning_rate")):
        if name in e.warnings:
            cause = "the class head was not re-initialised" if name == "class head" else "dead class head"
            return Finding(cause, STRONG, e.warnings[name], turn, "plates weights inspect models/checkpoint")
    alpha, best = e.params["train.alpha"], e.placed.top_score if e.placed else None
    if alpha > LEAST_ALPHA or best is None or best >= SURE:
        return None
    return Finding(
        "dead class head",
        STRONG,
        f"train.alpha {alpha:g} gives a plate {alpha / (1 - alpha):.2g} times the weight of background in the class "
        f"loss, and the highest score in a typical photograph is {best:.2f}.",
        "train.alpha: 0.25",
        "plates run --set train.alpha=0.25",
    )


def drowned_term(e: Evidence) -> Finding | None:
    """One term of the loss that leaves the other no room: named in training after warm-up, or seen at the end."""
    name, weight = "one term drowns the other", e.params["train.box_loss_weight"]
    classes, boxes = (_median(e, "cls", False), weight * _median(e, "box", False)) if len(e.history) else (0.0, 0.0)
    both = classes > 0 and boxes > 0 and e.params["train.iou_loss_type"] is None  # an IoU loss teaches boxes too
    times = max(classes, boxes) / min(classes, boxes) if both else 0.0
    if name not in e.warnings and times <= DROWNED:
        return None
    loud, quiet = ("box", "class") if boxes > classes else ("class", "box")
    seen = f"At the end the {loud} loss with its weight is {times:,.0f} times the {quiet} loss, which hardly counts."
    return Finding(
        name,
        LIKELY,
        seen if times > DROWNED else e.warnings[name],
        f"train.box_loss_weight (now {weight:g}), {'down' if boxes > classes else 'up'}",
        "make tensorboard",
    )


def augmentation(e: Evidence) -> Finding | None:
    """Boxes that augmentation destroys."""
    if not len(e.history) or not e.detects:
        return None
    sums = e.history[["boxes", "ignored", "dropped"]].sum()
    total = float(sums.sum())
    lost = float(sums["ignored"] + sums["dropped"]) / total if total else 0.0
    jitter = e.params["augment.jitter_min"], e.params["augment.jitter_max"]
    if lost <= 0.1 and jitter[0] >= 0.4:
        return None
    return Finding(
        "augmentation destroys plates",
        min(DECISIVE, LIKELY + lost) if lost > 0.1 else POSSIBLE,
        f"augment.jitter_min {jitter[0]:g} to jitter_max {jitter[1]:g}: {lost:.0%} of the boxes were shrunk under "
        f"augment.min_box_side or cut out of the picture; the others were seen at {jitter[0]:g} times their size.",
        "augment.jitter_min: 0.8, augment.jitter_max: 1.2",
        "the augmented pictures in reports/dataset_card.html",
    )


def anchors(e: Evidence) -> Finding | None:
    """Anchors that fit nothing."""
    if not e.detects:
        return None
    asked = (e.params.get(key) for key in ("model.backbone", "train.assignment"))
    adaptive = assignment(e.params["model.name"], *asked) == "atss"  # asks for no IoU of 0.5
    known = e.anchors.get("used", {}).get("best_possible_recall")
    recall, mean = None if adaptive else known, e.anchors.get("used", {}).get("mean_best_iou", 1.0)
    if adaptive and mean < anchor_fit.FAR:
        return Finding(
            "the anchors do not fit",
            DECISIVE,
            f"The best anchor of a training box has a mean IoU of {mean:.2f} with it: even for atss, which asks for no "
            "IoU of 0.5, anchors are far from every box.",
            "model.aspect_ratios: auto, model.anchor_scale, model.image_size",
            "plates anchors",
        )
    positives = e.history["positives"].sum() / max(e.history["boxes"].sum(), 1e-6) if len(e.history) else math.nan
    lost = 1 - recall if recall is not None else 0.0
    boxes = e.manifest.get("splits", {}).get("train", {}).get("boxes") or math.inf
    surely = max(0.0, lost - 1.64 * math.sqrt(lost * (1 - lost) / boxes))  # 95%: few boxes say little of anchors
    if 1 - surely >= e.params["anchors.min_recall"] and not positives < 1.5:
        return None
    seen = [] if recall is None else [f"{lost:.0%} of the training boxes reach IoU 0.5 with no anchor"]
    if not math.isnan(positives):
        seen.append(f"{positives:.1f} positives per box were matched, where 3 or more is usual")
    return Finding(
        "the anchors do not fit",
        STRONG if positives < 1.5 else min(DECISIVE, POSSIBLE + 2 * surely),
        f"{'; '.join(seen)}: unmatched boxes are hardly learned.",
        "model.aspect_ratios: auto, model.anchor_scale, model.image_size",
        "plates anchors",
    )


def pixel_statistics(e: Evidence) -> Finding | None:
    """Pixels normalised by other numbers than the weights expect."""
    found = []
    for key, usual in (("model.mean_rgb", MEAN_RGB), ("model.stddev_rgb", STDDEV_RGB)):
        given = e.params.get(key)
        if given is not None and np.abs(np.broadcast_to(given, 3) - np.array(usual)).max() > 0.2 * max(usual):
            found.append(f"{key} is {given}, ImageNet's is {', '.join(f'{value:g}' for value in usual)}")
    measured = [e.warnings["pixels"]] if "pixels" in e.warnings else []
    if not found and not measured:
        return None
    given = f"{'; '.join(found)}: the network sees pixels in a range that its weights do not expect."
    return Finding(
        "wrong mean or deviation of pixels",
        STRONG if e.params["model.pretrained"] != "none" else LIKELY,
        given if found else measured[0],
        "model.mean_rgb, model.stddev_rgb: null",
        "plates run --set model.mean_rgb=null --set model.stddev_rgb=null",
        measured if found else [],
    )


def overfitting(e: Evidence) -> Finding | None:
    """Validation that fell while training went on."""
    if "over-fitting" not in e.warnings:
        return None
    return Finding(
        "over-fitting",
        LIKELY,
        e.warnings["over-fitting"],
        "train.weight_decay, augment, train.patience",
        "make tensorboard",
    )


def too_few_steps(e: Evidence) -> Finding | None:
    """A run that ended while it was still learning."""
    steps = len(e.history)
    if not steps:
        return None
    values = e.history["validation"].dropna().to_numpy()
    rising = len(values) > 1 and values[-1] >= values.max() and values[-1] - values[-2] > 0.02
    few = steps < FEWEST_STEPS and e.params["model.pretrained"] == "none"
    if not rising and not few:
        return None
    course = " -> ".join(f"{value:.3f}" for value in values[-4:])
    epochs = steps * e.params["train.batch_size"] / max(e.manifest_images, 1)
    said = f"The run ended after {steps:,} steps, {epochs:.1f} epochs"
    return Finding(
        "too few steps",
        STRONG if few else LIKELY,
        f"{said}; from random weights, hundreds of steps are needed."
        if few
        else f"{said}, while mAP was still rising.",
        "train.steps",
        f"plates run --set train.steps={max(2 * steps, 500)}",
        [f"validation mAP {course}"] if len(values) else [],
    )


def _median(e: Evidence, column: str, first: bool) -> float:
    rows = e.history[column].head(WINDOW) if first else e.history[column].tail(WINDOW)
    return float(rows.median())


def _grows(e: Evidence) -> bool:
    return len(e.history) >= 2 * WINDOW and _median(e, "loss", False) > 1.2 * _median(e, "loss", True)
