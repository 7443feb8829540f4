"""Causes between the weights and the figure: what inference, post-processing and scoring do."""

from plates.why.evidence import Evidence
from plates.why.finding import DECISIVE, LIKELY, STRONG, Finding

MUCH = 0.3
"""Share of the plates."""
HIGH = 0.05
"""A minimum score from which it costs mAP."""


def threshold(e: Evidence) -> Finding | None:
    """A minimum score that drops what would have been found."""
    least, placed = e.params["nms.score_thresh"], e.placed
    answered = 1.0 if placed is None else placed.answered
    if least < HIGH:
        return None
    return Finding(
        "the score threshold drops detections",
        DECISIVE if answered < 0.9 or least > 0.5 else LIKELY,
        f"nms.score_thresh is {least:g}: {1 - answered:.0%} of the photographs have no detection left. mAP needs them "
        "all, and ranks them itself.",
        "nms.score_thresh: 0",
        "plates run --set nms.score_thresh=0",
        [f"validation mAP in training reached {best:.3f}" for best in [_best(e)] if best],
    )


def class_ids(e: Evidence) -> Finding | None:
    """Right places under wrong names."""
    placed = e.placed
    if placed is None or placed.found - placed.found_in_class < MUCH:
        return None
    return Finding(
        "wrong class ids",
        DECISIVE,
        f"{placed.found:.0%} of the plates have a detection on them, but only {placed.found_in_class:.0%} one of their "
        "class: ids and names do not match.",
        "model.label_map",
        "plates weights inspect models/checkpoint",
    )


def swapped_axes(e: Evidence) -> Finding | None:
    """x for y."""
    placed = e.placed
    if placed is None or placed.swapped - placed.found < MUCH:
        return None
    return Finding(
        "x and y are swapped",
        DECISIVE,
        f"{placed.found:.0%} of the plates are found, but {placed.swapped:.0%} would be if x and y of the detections "
        "were swapped.",
        "the order of coordinates in labels or decoding",
        "the galleries in reports/evaluation.html",
    )


def scaled_boxes(e: Evidence) -> Finding | None:
    """Boxes in pixels of another size."""
    placed = e.placed
    if placed is None or placed.rescaled - placed.found < MUCH:
        return None
    x, y = placed.scale
    return Finding(
        "boxes are in another scale",
        DECISIVE,
        f"Detections are at {x:.2f} times the labels' x and {y:.2f} times their y; divided by that, "
        f"{placed.rescaled:.0%} of the plates would be found instead of {placed.found:.0%}.",
        "the size that boxes are scaled to",
        "the galleries in reports/evaluation.html",
    )


def steady_offset(e: Evidence) -> Finding | None:
    """Detections that are all to one side of the labels."""
    placed = e.placed
    if placed is None or placed.found < 0.05:
        return None
    worst = max(range(2), key=lambda axis: abs(placed.offset[axis]))
    off, spread = placed.offset[worst], placed.spread[worst]
    if abs(off) < 0.07 or abs(off) < 0.8 * spread:
        return None
    return Finding(
        "detections are shifted",
        LIKELY + min(0.3, abs(off)),
        f"Detections are off by {off:+.0%} of a label's {'width' if worst == 0 else 'height'} by the median, with a "
        f"spread of {spread:.0%}: labels of train and of what is scored were drawn by different rules, or decoding is "
        "off.",
        "the labels of one of them",
        "the galleries in reports/evaluation.html",
    )


def another_inference(e: Evidence) -> Finding | None:
    """Weights that scored well in training, but no longer do on the same split."""
    best, again = _best(e), _again(e)
    if best is None or again is None or e.params["nms.score_thresh"] >= HIGH or best - again < _much(best):
        return None
    return Finding(
        "inference is not what training validated",
        STRONG,
        f"Training's validation mAP reached {best:.3f}, but evaluation of the same weights on the same split gives "
        f"{again:.3f}: pixels, weights or post-processing differ between the two.",
        "RGB or BGR, model.mean_rgb, nms, or the code of inference",
        "plates lineage diff, and the check export_agrees_with_checkpoint",
    )


def validation_alone(e: Evidence) -> Finding | None:
    """Validation in training that is far below what the weights can do."""
    best, again = _best(e), _again(e)
    if best is None or again is None or again - best < _much(again):
        return None
    return Finding(
        "validation in training is wrong",
        STRONG,
        f"Training's validation mAP is {best:.3f} at best, but evaluation of the same weights on the same split gives "
        f"{again:.3f}: the best weights were chosen by a wrong figure.",
        "the pictures that validation uses: augmentation is for training only",
        "make tensorboard",
    )


def stale_checkpoint(e: Evidence) -> Finding | None:
    """Weights of other TFRecords than those that are scored."""
    trained, now = e.trained_on, e.manifest_hash
    if trained is None or now is None or trained == now:
        return None
    return Finding(
        "stale checkpoint",
        STRONG,
        f"The checkpoint was trained on TFRecords {trained[:8]}, but this project's are {now[:8]}.",
        "train again",
        "plates run",
    )


def export(e: Evidence) -> Finding | None:
    """An exported model that gives other numbers."""
    if e.agreement.get("agrees", True):
        return None
    return Finding(
        "the export differs from the checkpoint",
        LIKELY,
        f"On {e.agreement['images']} photographs the exported model gives other numbers than the checkpoint.",
        "export.formats",
        "plates materialize exported_model",
    )


def crowded(e: Evidence) -> Finding | None:
    """More objects in a photograph than are counted."""
    count = e.metrics.get("images_with_more_boxes_than_count", 0)
    if not count:
        return None
    return Finding(
        "more objects than are counted",
        LIKELY,
        f"{count:,} photographs show more objects than the {e.params['evaluation.max_detections']} detections that "
        "count: the rest are missed whatever the detector does.",
        "evaluation.max_detections and nms.max_output_size",
        "plates run --set evaluation.max_detections=300 --set nms.max_output_size=300",
    )


def _much(mAP: float) -> float:
    """The difference between two figures of the same weights that their ways of counting do not explain."""
    return max(0.05, 0.2 * mAP)


def _best(e: Evidence) -> float | None:
    return e.run.get("best_validation", {}).get("mAP")


def _again(e: Evidence) -> float | None:
    """Evaluation's mAP on val; None where val is no longer the one that training scored."""
    return None if stale_checkpoint(e) else e.metrics.get("mAP_on_val")
