"""NMS inside an exported network: a loop of plain operations that ONNX, LiteRT and OpenVINO all have.

Their own NMS operations have no soft NMS. A test compares this one with `postprocess.detect`.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference.suppress import VOTERS
from plates.efficientdet.model.boxes import Tensor, clip

GONE = -1.0
"""Score that marks a box as taken or dropped."""


class NonMaxSuppression(keras.Layer):
    """`boxes` [B, A, 4] yxyx and `scores` [B, A, C] to `boxes` [B, N, 4], `scores` [B, N] and `classes` int32 [B, N].

    Best first; rows that no detection fills are zero. `corners` [B, A, 4, 2], if given, become `corners` [B, N, 4, 2].
    """

    def __init__(self, nms: NmsConfig, image_size: tuple[int, int]) -> None:
        super().__init__(name="nms")
        self.nms, self.image_size = nms, image_size

    def call(self, boxes: Tensor, scores: Tensor, corners: Tensor | None = None) -> dict[str, Tensor]:
        nms = self.nms
        flat = [] if corners is None else [ops.reshape(corners, (-1, corners.shape[1], 8))]
        places, remaining, labels = self._candidates(
            ops.concatenate([boxes, *flat], axis=-1) if flat else boxes, scores
        )
        boxes, width = places[..., :4], places.shape[-1]
        columns, positions = ops.arange(nms.max_output_size), ops.arange(remaining.shape[1])
        areas, floor = _area(boxes), max(nms.floor, 0.0)
        # What is looked up at the best row, by one product: Keras's own argmax and take_along_axis need operations
        # that ONNX and LiteRT lack.
        rows = ops.concatenate([places, ops.cast(labels, "float32")[..., None]], axis=-1)
        voters = tf.math.top_k(remaining, min(VOTERS, remaining.shape[1])).values[:, -1:]
        weights = ops.where(remaining >= voters, remaining**2, 0.0)
        nothing = ops.zeros_like(remaining[:, :1])[..., None] + ops.zeros((1, nms.max_output_size, width + 2))

        def taking(step: Tensor, remaining: Tensor, *_: Tensor) -> Tensor:
            return ops.logical_and(step < nms.max_output_size, ops.max(remaining) > floor)

        def take(step: Tensor, remaining: Tensor, found: Tensor) -> tuple[Tensor, ...]:
            here = positions == tf.math.argmax(remaining, axis=1, output_type="int32")[:, None]
            score = ops.max(remaining, axis=1)[:, None]
            best = ops.cast(here, "float32")[:, None, :] @ rows
            iou = _iou(best, _area(best), boxes, areas)
            same = ops.cast(labels, "float32") == best[..., width]
            place = (
                _voted(best[..., :width], places, ops.where(ops.logical_and(same, iou > nms.voting), weights, 0.0))
                if nms.voting
                else best[..., :width]
            )
            if nms.per_class:
                iou = ops.where(same, iou, 0.0)
            if nms.method == "gaussian":
                kept = remaining * ops.exp(-iou * iou / (nms.sigma or 0.5))
            else:
                kept = ops.where(iou > (nms.iou_thresh or 0.5), GONE, remaining)
            kept = ops.where(here, GONE, kept)
            row = ops.concatenate([place, best[..., width:], score[..., None]], axis=-1)
            now = ops.logical_and(columns == step, score > floor)[..., None]
            return step + 1, kept, ops.where(now, row, found)

        _, _, found = ops.while_loop(taking, take, (ops.zeros((), "int32"), remaining, nothing))
        used = found[..., width + 1] > floor
        answer = {
            "boxes": ops.where(used[..., None], clip(found[..., :4], self.image_size), 0.0),
            "scores": found[..., width + 1],
            "classes": ops.where(used, ops.cast(found[..., width] + 0.5, "int32") + 1, 0),
        }
        if corners is not None:
            kept = ops.where(used[..., None], found[..., 4:width], 0.0)
            answer["corners"] = ops.reshape(kept, (-1, nms.max_output_size, 4, 2))
        return answer

    def _candidates(self, places: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Places [B, K, 4 or 12] (a box, or one with its corners), scores [B, K] and 0-based classes [B, K].

        The best pairs of anchor and class, or each anchor with its best class.
        """
        if not self.nms.max_nms_inputs:
            return places, ops.max(scores, axis=-1), tf.math.argmax(scores, axis=-1, output_type="int32")
        anchors, classes = scores.shape[1:]
        flat = ops.reshape(scores, (-1, anchors * classes))
        values, index = tf.math.top_k(flat, min(self.nms.max_nms_inputs, anchors * classes))
        return tf.gather(places, index // classes, batch_dims=1), values, index % classes


def _voted(place: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """`place` [B, 1, D] as the mean of `places` [B, K, D] by their weights [B, K]; itself if all are 0."""
    total = ops.sum(weights, axis=-1)[:, None, None]
    return ops.where(total > 0, weights[:, None, :] @ places / ops.maximum(total, 1e-9), place)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _iou(box: Tensor, area: Tensor, boxes: Tensor, areas: Tensor) -> Tensor:
    """IoU of `box` [B, 1, 4] with `boxes` [B, K, 4]: [B, K]."""
    height = ops.minimum(box[..., 2], boxes[..., 2]) - ops.maximum(box[..., 0], boxes[..., 0])
    width = ops.minimum(box[..., 3], boxes[..., 3]) - ops.maximum(box[..., 1], boxes[..., 1])
    shared = ops.maximum(height, 0.0) * ops.maximum(width, 0.0)
    return shared / ops.maximum(area + areas - shared, 1e-9)
