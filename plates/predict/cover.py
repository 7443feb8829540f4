"""Makes parts of a picture unreadable."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from PIL import Image

from plates.errors import UserError

Style = Literal["blur", "pixelate", "fill"]
FILL = 32
CELLS = 3
"""Cells of colour that blur and pixelate leave on a box's shorter side: on a plate of seven characters, about one a
character."""


def cover(pixels: np.ndarray, boxes: np.ndarray, style: Style, fill: int = FILL) -> None:
    """Covers parts of a picture in place.

    blur and pixelate leave a few cells of colour: no character can be read, though a guess can be compared with them;
    fill leaves nothing.

    Args:
        pixels: uint8 [h, w, 3], or one plane [h, w].
        boxes: int [n, 4] xyxy in pixels, inside the picture, none empty.
        style: how.
        fill: the value that fill leaves.
    """
    if style not in get_args(Style):
        raise UserError(f"a plate cannot be hidden by {style!r}; it can by {', '.join(get_args(Style))}")
    for left, top, right, bottom in boxes.tolist():
        inside = pixels[top:bottom, left:right]
        inside[:] = fill if style == "fill" else _coarse(inside, style)


def _coarse(inside: np.ndarray, style: Style) -> np.ndarray:
    part = Image.fromarray(inside)
    side = max(1, min(part.size) // CELLS)
    few = part.resize((max(1, part.width // side), max(1, part.height // side)), Image.Resampling.BOX)
    way = Image.Resampling.NEAREST if style == "pixelate" else Image.Resampling.BICUBIC
    return np.asarray(few.resize(part.size, way))
