"""The figures of an evaluation: of boxes (COCO's and CCPD's), corners and masks, their intervals, and the slices."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from plates.ccpd.score import ccpd_score
from plates.efficientdet.evaluation.bootstrap import DRAWS, Draws, interval
from plates.efficientdet.evaluation.metrics import Evaluation, summarize
from plates.scoring.by_slice import FEWEST, by_slice, worst
from plates.scoring.detections import Found, parts
from plates.scoring.label_noise import label_noise
from plates.scoring.slices import slices
from plates.scoring.tally import Tally, groups
from plates.scoring.truth import real

HEADLINES = ("mAP", "mAP50", "mAP75", "ccpd_score")
BACKGROUND = "background"


@dataclass(frozen=True)
class Boxes:
    """The boxes of an evaluation: what was counted, its figures and curves, and the table of `by_slice`."""

    tally: Tally
    evaluation: Evaluation
    slices: pd.DataFrame


def scores(
    found: Found,
    truth: pd.DataFrame,
    max_detections: int,
    looks: pd.DataFrame | None = None,
    draws: int = DRAWS,
) -> tuple[dict[str, Any], Boxes | None]:
    """Scores what was found against `truth` (a table of `plates.scoring.truth`).

    Args:
        found: of `plates.scoring.detections`.
        truth: of the same split.
        max_detections: of each photograph and class so many count.
        looks: of `plates.photographs.looks` by image_id, if the labels lack brightness and sharpness.
        draws: of the bootstrap that intervals come from.

    Returns:
        The figures ready for JSON, and the boxes. A figure that nothing could be scored for (a subset without plates)
        is None, never 0; those of a head that is not there are absent.
    """
    plates = real(truth)
    objects = plates[plates["class"].notna()].groupby(["image_id", "class"]).size()
    noise = label_noise(plates)
    figures: dict[str, Any] = {
        "images": int(truth["image_id"].nunique()),
        "boxes": int(objects.sum()),
        "images_with_more_boxes_than_count": int((objects > max_detections).sum()),
        "label_noise": noise and {**asdict(noise), "sentence": noise.sentence},
    }
    if found.masks is not None:
        values = [value for name, value in found.masks.items() if name != BACKGROUND]
        figures["mask_iou"] = sum(values) / len(values) if values else None
        figures["mask_iou_by_class"] = found.masks
    if found.file is None:
        return figures, None
    tally = Tally.of(parts(found.file), truth, found.label_map, max_detections, found.corners)
    if tally.corners is not None:
        figures |= _of_corners(tally.corners) | {"boxes_without_corners": figures["boxes"] - len(tally.corners)}
    whole = summarize(tally.matches)
    keys = groups(plates)
    drawn = Draws.of(keys, draws)
    table = by_slice(tally, slices(plates, found.image_size, looks), drawn)
    boxes = Boxes(tally, whole, table)
    return whole.metrics.to_dict() | _of_boxes(boxes, drawn, len(np.unique(keys))) | figures, boxes


def _of_boxes(boxes: Boxes, draws: Draws, groups: int) -> dict[str, Any]:
    ccpd = ccpd_score(boxes.tally.best)
    subsets = boxes.slices[boxes.slices["dimension"] == "subset"]
    between = {
        name: interval(values, groups, len(draws.groups)) if groups >= FEWEST else None
        for name, values in boxes.tally.draws(draws).items()
    }
    return {
        "ccpd_score": ccpd.pooled.value,
        "photographs_in_several_subsets": ccpd.repeated,
        "intervals": {name: found and [found.low, found.high] for name, found in between.items()},
        "draws": len(draws.weights) - 1,
        "groups": groups,
        "by_subset": _rows(subsets.rename(columns={"slice": "subset"})[["subset", "images", *HEADLINES]]),
        "slices": _rows(boxes.slices),
        "worst_slice": worst(boxes.slices),
    }


def _of_corners(fitted: pd.DataFrame) -> dict[str, float | None]:
    """Mean IoU of all plates, those that were missed too; median error in pixels of those that were found."""
    found = {"corner_iou": fitted["iou"].mean(), "corner_error_px": fitted["error"].median()}
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows
