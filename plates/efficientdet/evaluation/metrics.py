"""COCO metrics (pycocotools) of detections against ground truth, tables in pixels of the original image.

A score of 0 means that the detector found nothing right. Where nothing could be scored, because there is no
ground truth, there is no number: `evaluate` raises and `evaluate_slices` gives None.
"""

import contextlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from plates.errors import UserError

BOX = ["xmin", "ymin", "xmax", "ymax"]
MAX_DETECTIONS = 100


@dataclass(frozen=True)
class Metrics:
    """COCO's figures: AP averaged over recall 0, .01 ... 1; mAP also over IoU .50, .55 ... .95 and classes.

    Sizes are COCO's, by box area in pixels of the original image: small < 32², medium < 96², large. None: no
    ground truth of that size. `AR` is the recall at 100 detections an image, averaged over the same IoUs.
    """

    mAP: float
    mAP50: float
    mAP75: float
    mAP_small: float | None
    mAP_medium: float | None
    mAP_large: float | None
    AR: float
    per_class: dict[str, float]
    images: int
    boxes: int
    detections: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Evaluation:
    """`curves`: rows of class, iou, recall (101 points), precision, score (the threshold that gives it)."""

    metrics: Metrics
    curves: pd.DataFrame


def evaluate(detections: pd.DataFrame, ground_truth: pd.DataFrame, label_map: Mapping[int, str]) -> Evaluation:
    """Scores `detections` (image_id, class, score, xmin, ymin, xmax, ymax) against `ground_truth`.

    Args:
        detections: classes are ids of `label_map`; at most 100 an image count, by score.
        ground_truth: image_id, class (a name or id of `label_map`; null for an image without a plate),
            the box, and optionally iscrowd. Every image in it counts, with or without detections.
        label_map: id (from 1) to name.

    Raises:
        UserError: no ground truth, a class that the label map lacks, or detections on images not in it.
    """
    boxes = ground_truth[ground_truth["class"].notna()]
    if boxes.empty:
        images = ground_truth["image_id"].nunique()
        raise UserError(
            f"Nothing to score: none of the {images} images of the ground truth has a box. "
            "Check the split and the labels: `plates materialize splits`."
        )
    strangers = set(detections["image_id"]) - set(ground_truth["image_id"])
    if strangers:
        raise UserError(
            f"{len(strangers)} images with detections are not in the ground truth (as {min(strangers)}): "
            "the detections are of other data. Detect again: `plates materialize evaluation`."
        )
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(
            _coco(ground_truth["image_id"], _annotations(boxes, label_map), label_map),
            _coco(ground_truth["image_id"], _annotations(detections, label_map), label_map),
            "bbox",
        )
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"]  # [IoU, recall, class, size, max detections]; -1 where no ground truth
    scored = [i for i, k in enumerate(evaluator.params.catIds) if (precision[:, :, i, 0, -1] > -1).any()]
    recall = evaluator.eval["recall"][:, :, 0, -1]
    metrics = Metrics(
        mAP=_known(precision[..., 0, -1]),
        mAP50=_known(precision[0, ..., 0, -1]),
        mAP75=_known(precision[5, ..., 0, -1]),
        mAP_small=_mean(precision[..., 1, -1]),
        mAP_medium=_mean(precision[..., 2, -1]),
        mAP_large=_mean(precision[..., 3, -1]),
        AR=_known(recall),
        per_class={label_map[evaluator.params.catIds[i]]: _known(precision[:, :, i, 0, -1]) for i in scored},
        images=int(ground_truth["image_id"].nunique()),
        boxes=len(boxes),
        detections=len(detections),
    )
    return Evaluation(metrics, _curves(evaluator, label_map, scored))


def evaluate_slices(
    detections: pd.DataFrame, ground_truth: pd.DataFrame, label_map: Mapping[int, str], by: str = "subset"
) -> dict[str, Metrics | None]:
    """`evaluate` on the images of each value of the column `by`; None where a slice has no box."""
    slices: dict[str, Metrics | None] = {}
    for value, part in ground_truth.groupby(by, sort=True):
        if part["class"].notna().any():
            found = detections[detections["image_id"].isin(part["image_id"])]
            slices[str(value)] = evaluate(found, part, label_map).metrics
        else:
            slices[str(value)] = None
    return slices


def mask_iou(confusion: np.ndarray) -> np.ndarray:
    """IoU of every class from pixel counts [true, predicted]; NaN for a class that never occurs."""
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def plate_iou(iou: np.ndarray) -> float | None:
    """Mean of `mask_iou` over the classes but the background, which fills most pictures; None where there are none."""
    known = iou[1:][np.isfinite(iou[1:])]
    return float(known.mean()) if known.size else None


def confusion(mask: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Counts int64 [S, S] of cells by class in `mask` [B, h, w] and the best one in `logits` [B, >= h, >= w, S]."""
    classes = logits.shape[-1]
    predicted = np.argmax(logits[:, : mask.shape[1], : mask.shape[2]], axis=-1)
    pairs = np.asarray(mask, np.int64) * classes + predicted
    return np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)


def _annotations(table: pd.DataFrame, label_map: Mapping[int, str]) -> list[dict[str, Any]]:
    ids = {name: key for key, name in label_map.items()}
    classes = table["class"].map(lambda value: ids.get(value, value))
    unknown = sorted({str(value) for value in classes if value not in label_map})
    if unknown:
        raise UserError(
            f"Classes {', '.join(unknown)} are not in the label map {dict(label_map)}: set `model.label_map`."
        )
    corners = table[BOX].to_numpy(np.float64)
    sizes = corners[:, 2:] - corners[:, :2]
    crowd = table["iscrowd"] if "iscrowd" in table else np.zeros(len(table), int)
    scores = table["score"] if "score" in table else np.ones(len(table))
    return [
        {
            "id": number,
            "image_id": int(image),
            "category_id": int(category),
            "bbox": [*corner, *size],
            "area": float(size.prod()),
            "iscrowd": int(is_crowd),
            "score": float(score),
        }
        for number, (image, category, corner, size, is_crowd, score) in enumerate(
            zip(table["image_id"], classes, corners[:, :2], sizes, crowd, scores, strict=True), start=1
        )
    ]


def _coco(images: pd.Series, annotations: list[dict[str, Any]], label_map: Mapping[int, str]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": int(image)} for image in images.unique()],
        "categories": [{"id": int(key), "name": name} for key, name in label_map.items()],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _curves(evaluator: COCOeval, label_map: Mapping[int, str], scored: list[int]) -> pd.DataFrame:
    parameters = evaluator.params
    rows = [
        pd.DataFrame(
            {
                "class": label_map[parameters.catIds[k]],
                "iou": round(float(iou), 2),
                "recall": parameters.recThrs,
                "precision": evaluator.eval["precision"][t, :, k, 0, -1],
                "score": evaluator.eval["scores"][t, :, k, 0, -1],
            }
        )
        for k in scored
        for t, iou in enumerate(parameters.iouThrs)
    ]
    return pd.concat(rows, ignore_index=True)


def _mean(values: np.ndarray) -> float | None:
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _known(values: np.ndarray) -> float:
    return float(values[values > -1].mean())
