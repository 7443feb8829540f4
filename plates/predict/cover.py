"""Makes parts of a picture unreadable."""

from __future__ import annotations

from itertools import combinations
from typing import Literal, get_args

import numpy as np
from PIL import Image

from plates.errors import UserError

Style = Literal["blur", "pixelate", "fill"]
FILL = 32
CELLS = 3
"""Cells of colour that blur and pixelate leave on a box's shorter side: on a plate of seven characters, about one a
character."""


def cover(
    pixels: np.ndarray, boxes: np.ndarray, style: Style, fill: int = FILL, outlines: np.ndarray | None = None
) -> None:
    """Covers parts of a picture in place.

    blur and pixelate leave a few cells of colour: no character can be read, though a guess can be compared with them;
    fill leaves nothing.

    Args:
        pixels: uint8 [h, w, 3], or one plane [h, w].
        boxes: int [n, 4] xyxy in pixels, inside the picture, none empty.
        style: how.
        fill: the value that fill leaves.
        outlines: float [n, 4, 2] x, y: what is covered of each box. None: all of it.
    """
    if style not in get_args(Style):
        raise UserError(f"a plate cannot be hidden by {style!r}; it can by {', '.join(get_args(Style))}")
    for number, (left, top, right, bottom) in enumerate(boxes.tolist()):
        inside = pixels[top:bottom, left:right]
        covered = np.full_like(inside, fill) if style == "fill" else _coarse(inside, style)
        if outlines is None:
            inside[:] = covered
        else:
            shape = _inside(outlines[number] - (left, top), inside.shape[:2])
            inside[shape] = covered[shape]


def _inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """bool of `size` (height, width): the pixels whose centre is in the convex hull of four points [4, 2]."""
    y, x = np.ogrid[: size[0], : size[1]]
    inside = np.zeros(size, bool)
    for three in combinations(points - 0.5, 3):  # the hull is the union of these triangles
        edges = zip(three, (*three[1:], three[0]), strict=True)
        sides = [(to[0] - at[0]) * (y - at[1]) - (to[1] - at[1]) * (x - at[0]) for at, to in edges]
        inside |= (np.minimum.reduce(sides) >= 0) | (np.maximum.reduce(sides) <= 0)
    return inside


def _coarse(inside: np.ndarray, style: Style) -> np.ndarray:
    part = Image.fromarray(inside)
    side = max(1, min(part.size) // CELLS)
    few = part.resize((max(1, part.width // side), max(1, part.height // side)), Image.Resampling.BOX)
    way = Image.Resampling.NEAREST if style == "pixelate" else Image.Resampling.BICUBIC
    return np.asarray(few.resize(part.size, way))
