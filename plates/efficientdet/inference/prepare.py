"""From pixels to the network's picture, in NumPy: what `plates.efficientdet.data.preprocess` does in TensorFlow.

Identical to the bit for an upright JPEG that libjpeg-turbo decoded with its fast transform, as TensorFlow's decoder
does. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RATIOS = (2, 4, 8)
ROWS = 32
"""Rows that are resized at a time."""


class Prepared(NamedTuple):
    """`pixels` uint8 [H, W, 3], what the network sees; and `scale`, original pixels per pixel of that."""

    pixels: np.ndarray
    scale: float


def prepare(
    decode: Callable[[int], np.ndarray],
    picture: tuple[int, int],
    size: tuple[int, int],
    mean_rgb: tuple[float, float, float],
) -> Prepared:
    """The whole picture at the top left of the network's input, the rest the mean colour.

    Args:
        decode: gives the pixels uint8 [h / ratio, w / ratio, 3] for a ratio of 1, 2, 4 or 8.
        picture: (h, w) in pixels.
        size: (H, W) of the network's input in pixels.
        mean_rgb: 0 to 255.
    """
    scale = min(np.float32(target) / np.float32(side) for target, side in zip(size, picture, strict=True))
    height, width = (max(1, int(np.float32(side) * scale)) for side in picture)
    canvas = np.empty((*size, 3), np.uint8)
    resize(decode(decode_ratio(picture, float(scale))), canvas.reshape(len(canvas), -1)[:height, : 3 * width])
    canvas[height:] = canvas[:height, width:] = (np.asarray(mean_rgb, np.float32) + 0.5).astype(np.uint8)
    return Prepared(canvas, float(1 / scale))


def decode_ratio(picture: tuple[int, int], scale: float) -> int:
    """Largest of 1, 2, 4, 8 that divides both sides and does not make `scale` an enlargement."""
    fitting = [
        ratio for ratio in RATIOS if all(side % ratio == 0 for side in picture) and np.float32(scale) * ratio <= 1
    ]
    return fitting[-1] if fitting else 1


def resize(pixels: np.ndarray, target: np.ndarray) -> None:
    """Scales `pixels` [h, w, 3] to fill `target` uint8 [height, 3 * width]: bilinear, without antialiasing, rounded.

    TensorFlow's `ResizeBilinear` at half-pixel centres, with its order of operations; a few rows at a time, whose
    numbers stay in the cache.
    """
    height, width = len(target), target.shape[1] // 3
    upper, lower, down = _neighbours(pixels.shape[0], height)
    left, right, along = _neighbours(pixels.shape[1], width)
    before, after = ((3 * columns[:, None] + np.arange(3)).reshape(-1) for columns in (left, right))
    along, down = along.repeat(3), down[:, None]
    rows = pixels.reshape(len(pixels), -1)
    needed, at = np.unique([upper, lower], return_inverse=True)
    for start in range(0, height, ROWS):
        part = slice(start, start + ROWS)
        places = at[:, part] - at[0, start]
        lines = rows[needed[at[0, start] :][: 1 + places.max()]]
        if lines.shape[1] < 2 * len(before):  # floats are taken faster than bytes, if most of them are
            lines = lines.astype(np.float32)
        across, beside = (
            lines.take(columns, axis=1, mode="clip").astype(np.float32, copy=False) for columns in (before, after)
        )
        beside -= across
        beside *= along
        across += beside
        above, below = across[places[0]], across[places[1]]
        below -= above
        below *= down[part]
        above += below
        np.add(above, np.float32(0.5), out=target[part], casting="unsafe")


def _neighbours(count: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `wanted` positions: the two of `count` it lies between, and how far from the first."""
    at = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * (np.float32(count) / np.float32(wanted))
    at -= np.float32(0.5)
    before = np.floor(at)
    low = np.maximum(before, 0).astype(np.int64)
    high = np.minimum(np.ceil(at), count - 1).astype(np.int64)
    return low, high, at - before
