"""From JPEG bytes to boxes in pixels of the original image: one code path, for evaluation and the exported model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import batched
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from efficientdet import anchors, postprocess, preprocess
from efficientdet.config import NmsConfig
from efficientdet.family import Spec
from efficientdet.records.verify import read
from lineage.errors import UserError

COLUMNS = ["image_id", "path", "class", "score", "xmin", "ymin", "xmax", "ymax"]


class Predictor(tf.Module):
    """A network between its pre- and post-processing.

    Args:
        network: of `network.build(spec)`, float32.
        nms: its `score_thresh` is the lowest score that comes out.
    """

    def __init__(self, network: keras.Model, spec: Spec, nms: NmsConfig) -> None:
        super().__init__(name="predictor")
        self.network = network
        self.spec = spec
        self.nms = nms
        self.anchors = anchors.generate(spec)

    def from_jpegs(self, jpegs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detections in JPEG files.

        Args:
            jpegs: string [B], the files' bytes, of any sizes.

        Returns:
            boxes: float32 [B, N, 4] ymin, xmin, ymax, xmax in pixels of the original image, best score first.
            scores: float32 [B, N] in 0 to 1. classes: int32 [B, N], from 1. Zero from `valid_len` on.
            valid_len: int32 [B], number of detections.
            mask, where the network has that head: uint8 [B, H, W], class of each pixel of the original images, those
                at the top left of the batch's largest; 0 is the background.
        """
        images, scales = tf.map_fn(
            lambda jpeg: preprocess.load(jpeg, self.spec.image_size, self.spec.mean_rgb),
            jpegs,
            fn_output_signature=(
                tf.TensorSpec([*self.spec.image_size, 3], tf.uint8),
                tf.TensorSpec([], tf.float32),
            ),
            parallel_iterations=16,
        )
        return self.from_pixels(images, scales)

    def from_pixels(self, images: tf.Tensor, scales: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detections in pictures of the network's size, uint8 [B, H, W, 3]; `scales` [B] original px per network px."""
        outputs = self.network(images, training=False)
        found: dict[str, tf.Tensor] = {}
        if "class" in outputs:
            found = postprocess.detect(outputs, self.anchors, scales, self.spec.image_size, self.nms)
        return found
