"""The score that the best weights are chosen by."""

from types import SimpleNamespace

import numpy as np
import pytest
import toy

from plates.efficientdet.model import anchors
from plates.efficientdet.training import validation


def test_an_image_of_more_than_100_boxes_can_be_found_whole() -> None:
    spec = toy.spec(image_size=384, aspect_ratios=[1.0], num_scales=1)
    all_anchors = anchors.generate(spec)
    centres = (all_anchors[:, :2] + all_anchors[:, 2:]) / 2
    chosen = (np.arange(len(all_anchors)) < 48 * 48) & (centres % 32 == 20).all(axis=1)
    boxes = all_anchors[chosen][np.newaxis]
    assert boxes.shape[1] == 144
    logits = np.where(chosen, 5.0, -20.0).astype(np.float32)[np.newaxis, :, np.newaxis]
    outputs = {"class": logits, "box": np.zeros((1, len(all_anchors), 4), np.float32)}
    perfect = SimpleNamespace(anchors=all_anchors, predict_on_batch=lambda images: outputs)
    targets = {"gt_boxes": boxes, "gt_classes": np.ones(boxes.shape[:2], np.int32)}
    assert validation.score(perfect, spec, [(np.zeros((1, 384, 384, 3), np.uint8), targets)]) == pytest.approx(1)
