"""Operations on boxes, on either backend.

A box is `yxyx`, that is ymin, xmin, ymax, xmax, in pixels of the network's input unless its name says otherwise.
Corners are (y, x) of a plate's bottom right, bottom left, top left and top right, in this order, in the same pixels.
Every conversion has both its ends in its name.
"""

from __future__ import annotations

from typing import Any

from keras import ops
from keras.utils import bounding_boxes

Tensor = Any
SMALLEST = 1e-8


def yxyx_to_deltas(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes [..., A, 4] as (ty, tx, th, tw) of their anchors [A, 4]: offsets in anchor sizes, logs of size ratios.

    Faster R-CNN's code (arXiv:1506.01497, section 3.1.2) without variances, as EfficientDet trains on. Keras has it
    too, column by column; by halves it is faster.
    """
    centre, size = _centre_and_size(boxes)
    anchor_centre, anchor_size = _centre_and_size(anchors)
    size, anchor_size = ops.maximum(size, SMALLEST), ops.maximum(anchor_size, SMALLEST)
    return ops.concatenate([(centre - anchor_centre) / anchor_size, ops.log(size / anchor_size)], axis=-1)


def deltas_to_yxyx(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `yxyx_to_deltas`: (ty, tx, th, tw) [..., A, 4] and anchors [A, 4] to boxes [..., A, 4]."""
    anchor_centre, anchor_size = _centre_and_size(anchors)
    centre = deltas[..., :2] * anchor_size + anchor_centre
    half = ops.exp(deltas[..., 2:]) * anchor_size / 2.0
    return ops.concatenate([centre - half, centre + half], axis=-1)


def corners_to_deltas(corners: Tensor, anchors: Tensor) -> Tensor:
    """Corners [..., A, 4, 2] as eight offsets [..., A, 8] from the centres of their anchors [A, 4], in anchor sizes."""
    centre, size = _centre_and_size(anchors)
    offsets = (corners - centre[:, None]) / ops.maximum(size, SMALLEST)[:, None]
    return ops.reshape(offsets, (-1, *offsets.shape[1:-2], 8))


def deltas_to_corners(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `corners_to_deltas`: offsets [..., A, 8] and anchors [A, 4] to corners [..., A, 4, 2]."""
    centre, size = _centre_and_size(anchors)
    return ops.reshape(deltas, (-1, *deltas.shape[1:-1], 4, 2)) * size[:, None] + centre[:, None]


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """((y, x), (height, width)), each [..., 2]."""
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + size / 2.0, size


def clip(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Boxes [..., 4] cut at the borders of an image of `image_size` (height, width) pixels."""
    height, width = image_size
    limit = ops.convert_to_tensor([height, width, height, width], dtype="float32")
    return ops.minimum(ops.maximum(boxes, 0.0), limit)


def area(boxes: Tensor) -> Tensor:
    """Area in square pixels [...] of boxes [..., 4]; a box turned inside out has none."""
    height_width = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return height_width[..., 0] * height_width[..., 1]


def centre(boxes: Tensor) -> Tensor:
    """(y, x) [..., 2]."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2.0


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU [..., N, M] of each of `boxes` [..., N, 4] with each of `others` [..., M, 4]; one may be unbatched."""
    return bounding_boxes.compute_iou(boxes, others, bounding_box_format="yxyx")
