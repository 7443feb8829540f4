"""A quick score during training, to choose the best weights by. The evaluation proper is `predict` and `metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import numpy as np
import pandas as pd

from efficientdet import metrics, postprocess
from efficientdet.config import NmsConfig
from efficientdet.detector import Detector
from efficientdet.family import Spec
from efficientdet.training_data import Batch

NMS = NmsConfig(method="hard")


def score(detector: Detector, spec: Spec, batches: Iterable[Batch]) -> float | None:
    """mAP of the detector's present weights, in pixels of the network's input; mean mask IoU where it finds masks only.

    None: there are no batches, or no box in them.
    """
    numbers = count(1)
    found, truth = [_detections([], [], [], [])], []
    confusion = np.zeros((spec.seg_num_classes, spec.seg_num_classes), np.int64)
    for images, targets in batches:
        outputs = detector.predict_on_batch(images)
        if "segmentation" in outputs:
            confusion += metrics.confusion(np.asarray(targets["mask"]), outputs["segmentation"][: len(images)])
        if "class" in outputs:
            boxes, scores, classes, lengths = postprocess.detect(outputs, spec, NMS)
            for index, length in enumerate(lengths):
                image = next(numbers)
                found.append(_detections(image, classes[index][:length], scores[index][:length], boxes[index][:length]))
                truth.append(_truth(image, targets, index))
    if not truth:
        return float(np.nanmean(metrics.mask_iou(confusion))) if confusion.any() else None
    ground_truth = pd.concat(truth)
    if ground_truth["class"].isna().all():
        return None
    label_map = {key: str(key) for key in range(1, spec.num_classes + 1)}
    return metrics.evaluate(pd.concat(found), ground_truth, label_map).metrics.mAP
