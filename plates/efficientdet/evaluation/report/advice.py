"""What to do next, in one sentence, from the figures of an evaluation."""

from collections.abc import Mapping
from typing import Any

REMEDIES = {
    "missed": "plates are missed: add photographs like those under Worst, or raise model.image_size",
    "misplaced": "plates are found but loosely boxed: set train.iou_loss_type: ciou, or raise model.image_size",
    "duplicate": "plates are found twice: set nms.method: hard, or lower nms.iou_thresh",
    "background": "other things are detected as plates: add photographs without a plate",
    "wrong class": "classes are confused: look at the confusion, and at train.class_weights",
    "wrong class and misplaced": "classes are confused: look at the confusion, and at train.class_weights",
}
NOTABLE = 0.01
"""mAP50: a kind of error that costs less is not worth the next step."""


def advice(metrics: Mapping[str, Any]) -> str:
    """The sentence. A score of 0 comes first, then the costliest kind of error, then loose boxes."""
    if not metrics["mAP50"]:
        return "Nothing is found: `plates why` ranks the causes; docs/why-is-my-map-low.md explains each."
    costliest = metrics["errors"]["kinds"][0]
    if costliest["gain"] >= NOTABLE:
        remedy = REMEDIES[costliest["kind"]]
        return f"{remedy[0].upper()}{remedy[1:]} (worth up to {costliest['gain']:.3f} of mAP50)."
    if metrics["mAP75"] < 0.9 * metrics["mAP50"]:
        return "Plates are found, but boxes could be tighter: set train.iou_loss_type: ciou, or train longer."
    return "Nothing stands out: measure on harder photographs."
