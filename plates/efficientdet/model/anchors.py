"""Anchors: the boxes that the network's outputs are relative to.

A level has a grid of cells, each with `num_scales * len(aspect_ratios)` anchors around its centre; scales are the outer
loop and aspect ratios the inner one, as in the reference (google/automl, `tf2/anchors.py`). Anchors at the border are
neither clipped nor removed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from plates.errors import UserError

if TYPE_CHECKING:
    from plates.efficientdet.model.family import Spec

AspectRatios = Sequence[float] | Sequence[Sequence[float]]
AnchorScale = float | Sequence[float]


def multipliers(aspect_ratios: AspectRatios) -> np.ndarray:
    """[R, 2] (width, height) factors: a ratio r of width to height keeps the area, a pair is taken as it is."""
    pairs = [(r**0.5, r**-0.5) if isinstance(r, int | float) else tuple(r) for r in aspect_ratios]
    return np.asarray(pairs, np.float64)


def sizes(stride: tuple[float, float], num_scales: int, aspect_ratios: AspectRatios, anchor_scale: float) -> np.ndarray:
    """[num_scales * R, 2] (height, width) in pixels of the anchors in one cell of a level with this stride (y, x)."""
    octaves = anchor_scale * 2.0 ** (np.arange(num_scales) / num_scales)
    height_width = octaves[:, None, None] * multipliers(aspect_ratios)[None, :, ::-1] * np.asarray(stride)
    return height_width.reshape(-1, 2)


def per_level(
    image_size: tuple[int, int],
    levels: Sequence[int],
    num_scales: int,
    aspect_ratios: AspectRatios,
    anchor_scale: AnchorScale,
) -> dict[int, np.ndarray]:
    """Anchors of each level, float32 [cells * anchors a cell, 4] yxyx in pixels, cells in row-major order.

    Args:
        image_size: (height, width) of the network's input in pixels, of any size.
        levels: of the pyramid; level l has a stride of 2^l, and a grid of ceil(side / 2^l) cells a side.
        num_scales: octave scales 2^(i/num_scales).
        aspect_ratios: width/height ratios, or pairs of (width, height) factors.
        anchor_scale: size of the smallest square anchor in strides; a list has one for each level.

    Raises:
        UserError: `anchor_scale` is a list of another length than there are levels.
    """
    scales = [anchor_scale] * len(levels) if isinstance(anchor_scale, int | float) else list(anchor_scale)
    if len(scales) != len(levels):
        raise UserError(
            f"model.anchor_scale has {len(scales)} values for the {len(levels)} levels P{levels[0]}..P{levels[-1]}: "
            "give one number, or one for each level."
        )
    anchors = {}
    for level, scale in zip(levels, scales, strict=True):
        rows, columns = (-(-side // 2**level) for side in image_size)
        stride = image_size[0] / rows, image_size[1] / columns
        y, x = np.meshgrid((np.arange(rows) + 0.5) * stride[0], (np.arange(columns) + 0.5) * stride[1], indexing="ij")
        centre = np.stack([y, x], axis=-1)[:, :, None]
        half = sizes(stride, num_scales, aspect_ratios, float(scale)) / 2
        corners = np.concatenate([centre - half, centre + half], axis=-1)
        anchors[level] = corners.reshape(-1, 4).astype(np.float32)
    return anchors


def generate(spec: Spec) -> np.ndarray:
    """All anchors of a network, float32 [A, 4] yxyx in pixels, in the order of its outputs: finest level first."""
    levels = per_level(spec.image_size, spec.levels, spec.num_scales, spec.aspect_ratios, spec.anchor_scale)
    return np.concatenate(list(levels.values()))


def cells(spec: Spec) -> tuple[int, ...]:
    """Number of cells of each level, finest first: each has `spec.num_anchors` of the anchors of `generate`."""
    return tuple(math.prod(spec.feature_size(level)) for level in spec.levels)
