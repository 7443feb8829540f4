"""From raw outputs to detections: decode, suppress overlaps, scale to the original image.

Evaluation and the exported model share it. It is TensorFlow and can be traced into a SavedModel; with the JAX backend,
call it eagerly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from plates.columns import CORNERS
from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference.suppress import VOTERS
from plates.efficientdet.model.boxes import Tensor, clip, deltas_to_corners, deltas_to_yxyx


def detect(
    outputs: dict[str, Tensor],
    anchors: np.ndarray,
    image_scales: Tensor,
    image_size: tuple[int, int],
    nms: NmsConfig,
    reference: bool = False,
) -> dict[str, tf.Tensor]:
    """The detections in a batch, best first.

    Args:
        outputs: `class` logits [B, A, C] and `box` deltas [B, A, 4] of the network, and `corners` [B, A, 8] if it has
            them.
        anchors: [A, 4] yxyx in pixels of the network's input.
        image_scales: [B], original pixels per pixel of the network's input.
        image_size: (height, width) of the network's input; boxes are clipped to it.
        nms: method, thresholds and sizes; `max_output_size` is N.
        reference: as google/automl, per-class boxes are not clipped, and rows after `valid_len` hold anything.

    Returns:
        `boxes` float32 [B, N, 4] yxyx in original pixels, `scores` float32 [B, N], `classes` int32 [B, N] from 1,
        `valid_len` int32 [B], and `corners` float32 [B, N, 4, 2] y, x if the network has them, which may be outside the
        picture; rows after `valid_len` are zero.
    """
    logits = tf.convert_to_tensor(outputs["class"])
    places = tf.convert_to_tensor(deltas_to_yxyx(outputs["box"], anchors))
    if "corners" in outputs:  # they go with their box wherever it goes, averages included
        corners = tf.convert_to_tensor(deltas_to_corners(outputs["corners"], anchors))
        places = tf.concat([places, tf.reshape(corners, [-1, len(anchors), 8])], axis=-1)
    places, logits, classes = _candidates(places, logits, nms.max_nms_inputs)
    num_classes = outputs["class"].shape[-1] if nms.per_class else 1
    rows, scores, valid_len = tf.map_fn(
        lambda image: _suppress(image[0], image[1], image[2], num_classes, nms),
        (places[..., :4], tf.math.sigmoid(logits), classes),
        fn_output_signature=(
            tf.TensorSpec([nms.max_output_size], tf.int32),
            tf.TensorSpec([nms.max_output_size], tf.float32),
            tf.TensorSpec([], tf.int32),
        ),
    )
    kept, kept_classes = tf.gather(places, rows, batch_dims=1), tf.gather(classes, rows, batch_dims=1)
    if nms.voting:
        kept = _vote(kept, kept_classes, places, tf.math.sigmoid(logits), classes, nms.voting)
    boxes, classes = kept[..., :4], kept_classes + 1
    if not (reference and nms.per_class):
        boxes = tf.convert_to_tensor(clip(boxes, image_size))
    scales = tf.cast(image_scales, tf.float32)[:, None, None]
    found = {"boxes": boxes * scales, "scores": scores, "classes": classes, "valid_len": valid_len}
    if "corners" in outputs:
        found["corners"] = tf.reshape(kept[..., 4:] * scales, [-1, nms.max_output_size, 4, 2])
    if not reference:
        valid = tf.sequence_mask(valid_len, nms.max_output_size)
        found["boxes"] = tf.where(valid[..., None], found["boxes"], 0.0)
        found["classes"] = tf.where(valid, classes, 0)
        if "corners" in found:
            found["corners"] = tf.where(valid[..., None, None], found["corners"], 0.0)
    return found


def table(ids: np.ndarray, detections: dict[str, Any]) -> pd.DataFrame:
    """The arrays of `postprocess.detect` as rows, best first: image_id, class, score, the box and any corners."""
    keep = np.arange(detections["scores"].shape[1]) < detections["valid_len"][:, None]
    ymin, xmin, ymax, xmax = detections["boxes"][keep].T
    corners = {}
    if "corners" in detections:
        corners = dict(zip(CORNERS, detections["corners"][keep][..., ::-1].reshape(-1, 8).T, strict=True))
    return pd.DataFrame(
        {
            "image_id": np.repeat(np.asarray(ids, np.int64), keep.sum(axis=1)),
            "class": detections["classes"][keep],
            "score": detections["scores"][keep],
            "xmin": xmin,
            "ymin": ymin,
            "xmax": xmax,
            "ymax": ymax,
            **corners,
        }
    )


def _candidates(places: tf.Tensor, logits: tf.Tensor, max_nms_inputs: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Places [B, K, 4 or 12], logits [B, K] and 0-based classes int32 [B, K] that enter NMS.

    A place is a box, or one with its corners. The best `max_nms_inputs` pairs of anchor and class; or, if that is 0,
    each anchor with its best class.
    """
    if not max_nms_inputs:
        classes = tf.math.argmax(logits, axis=-1, output_type=tf.int32)
        return places, tf.reduce_max(logits, axis=-1), classes
    num_anchors, num_classes = logits.shape[1:]
    flat = tf.reshape(logits, [-1, num_anchors * num_classes])
    logits, index = tf.math.top_k(flat, k=min(max_nms_inputs, num_anchors * num_classes), sorted=False)
    return tf.gather(places, index // num_classes, batch_dims=1), logits, index % num_classes


def _vote(
    kept: tf.Tensor, kept_classes: tf.Tensor, places: tf.Tensor, scores: tf.Tensor, classes: tf.Tensor, least: float
) -> tf.Tensor:
    """Kept places [B, N, 4 or 12] as means of the best `VOTERS` candidates over them.

    By the boxes' overlap (Gidaris and Komodakis, ICCV 2015); corners get the weights of their boxes, so that both
    belong together.
    """
    scores, best = tf.math.top_k(scores, k=min(VOTERS, scores.shape[1]), sorted=False)
    places, classes = tf.gather(places, best, batch_dims=1), tf.gather(classes, best, batch_dims=1)
    low = tf.maximum(kept[:, :, None, :2], places[:, None, :, :2])
    high = tf.minimum(kept[:, :, None, 2:4], places[:, None, :, 2:4])
    shared = tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
    areas = [tf.reduce_prod(part[..., 2:4] - part[..., :2], axis=-1) for part in (kept, places)]
    iou = tf.math.divide_no_nan(shared, areas[0][:, :, None] + areas[1][:, None] - shared)
    votes = (iou > least) & (kept_classes[:, :, None] == classes[:, None])
    weights = tf.where(votes, scores[:, None] ** 2, 0.0)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.where(total > 0, tf.math.divide_no_nan(weights @ places, total), kept)


def _suppress(
    boxes: tf.Tensor, scores: tf.Tensor, classes: tf.Tensor, num_classes: int, nms: NmsConfig
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What one image keeps of its candidates: rows int32 [N], new scores [N], and how many of them count."""
    if num_classes == 1:
        return _non_max_suppression(boxes, scores, nms)
    rows, kept, counts = tf.map_fn(
        lambda index: _non_max_suppression(boxes, tf.where(classes == index, scores, -math.inf), nms),
        tf.range(num_classes),
        fn_output_signature=(tf.int32, tf.float32, tf.int32),
    )
    kept = tf.where(tf.sequence_mask(counts, nms.max_output_size), kept, 0.0)
    best, index = tf.math.top_k(tf.reshape(kept, [-1]), k=nms.max_output_size)
    valid_len = tf.minimum(tf.reduce_sum(counts), nms.max_output_size)
    return tf.gather(tf.reshape(rows, [-1]), index), best, valid_len


def _non_max_suppression(boxes: tf.Tensor, scores: tf.Tensor, nms: NmsConfig) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """TensorFlow's NMS, hard or soft (arXiv:1704.04503), padded to `max_output_size`.

    Its `soft_nms_sigma` is half the paper's sigma (tensorflow issue 40253).
    """
    soft = nms.method == "gaussian"
    rows, kept, count = tf.raw_ops.NonMaxSuppressionV5(
        boxes=boxes,
        scores=scores,
        max_output_size=nms.max_output_size,
        iou_threshold=1.0 if soft else nms.iou_thresh or 0.5,
        score_threshold=nms.floor,
        soft_nms_sigma=(nms.sigma or 0.5) / 2 if soft else 0.0,
        pad_to_max_output_size=True,
    )
    return rows, kept, count
