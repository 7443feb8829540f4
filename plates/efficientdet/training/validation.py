"""A quick score during training, to choose the best weights by. The evaluation proper is `predict` and `metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.evaluation import metrics
from plates.efficientdet.inference import postprocess
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training.data import Batch
from plates.efficientdet.training.detector import Detector

LEAST_DETECTIONS = metrics.MAX_DETECTIONS
"""Detections of an image that count, or as many as there are boxes in the fullest image, if that is more."""


def figure(spec: Spec) -> str:
    """The name of the figure that `score` returns."""
    return "mAP" if "object_detection" in spec.heads else "mask IoU"


def score(detector: Detector, spec: Spec, batches: Iterable[Batch]) -> float | None:
    """mAP of the detector's present weights, in pixels of the network's input.

    If it finds only masks, their IoU without the background. None: there are no batches, or nothing to find in them.
    """
    found, truth, most = [], [], LEAST_DETECTIONS
    confusion = np.zeros((spec.seg_num_classes, spec.seg_num_classes), np.int64)
    for number, (images, targets) in enumerate(batches):
        count = len(images)
        outputs = {name: value[:count] for name, value in detector.predict_on_batch(images).items()}
        ids = np.arange(count) + 1 + number * 1_000_000
        if "segmentation" in outputs:
            confusion += metrics.confusion(np.asarray(targets["mask"]), outputs["segmentation"])
        if "class" in outputs:
            scales = np.ones(count, np.float32)
            most = max(LEAST_DETECTIONS, np.asarray(targets["gt_boxes"]).shape[1])
            nms = NmsConfig(method="hard", score_thresh=0.01, max_output_size=most)
            detections = postprocess.detect(outputs, detector.anchors, scales, spec.image_size, nms)
            found.append(postprocess.table(ids, {name: value.numpy() for name, value in detections.items()}))
            truth.append(_truth(ids, targets))
    if not found:
        return metrics.plate_iou(metrics.mask_iou(confusion))
    ground_truth = pd.concat(truth)
    if ground_truth["class"].isna().all():
        return None
    label_map = {key: str(key) for key in range(1, spec.num_classes + 1)}
    return metrics.evaluate(pd.concat(found), ground_truth, label_map, most).metrics.mAP


def _truth(ids: np.ndarray, targets: dict[str, Any]) -> pd.DataFrame:
    """The batch's ground truth as `metrics.evaluate` takes it: boxes to ignore are crowds, empty images stay."""
    boxes, classes = np.asarray(targets["gt_boxes"]), np.asarray(targets["gt_classes"])
    images, rows = np.nonzero(classes)
    ymin, xmin, ymax, xmax = boxes[images, rows].T
    labels = classes[images, rows]
    columns = {"class": np.abs(labels), "iscrowd": labels < 0, "xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
    present = pd.DataFrame({"image_id": ids[images], **columns})
    empty = np.setdiff1d(ids, ids[images])
    return pd.concat([present, pd.DataFrame({"image_id": empty})]) if len(empty) else present
