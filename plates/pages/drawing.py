"""Boxes and outlines drawn into pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from PIL import Image, ImageDraw

from plates.pages.fonts import font

Colour = tuple[int, int, int]

GREEN: Colour = (46, 204, 113)
"""What is true: labels."""

ORANGE: Colour = (255, 140, 0)
"""What is found or derived: detections, corners."""

BLACK: Colour = (0, 0, 0)
SMALLEST_FONT = 12
PADDING = 2


@dataclass(frozen=True)
class Marks:
    """Shapes to draw in one colour.

    Attributes:
        shapes: boxes [N, 4] `xmin, ymin, xmax, ymax`, or quadrilaterals [N, 4, 2], in pixels of the picture. Those that
            are not finite are left out.
        colour: of the outlines, and of the ground that the labels have.
        labels: a text for each shape, or none at all.
    """

    shapes: np.ndarray
    colour: Colour = GREEN
    labels: Sequence[str] = ()


def draw(image: Image.Image, marks: Sequence[Marks] = (), height: int | None = None) -> Image.Image:
    """An RGB copy of a picture with shapes drawn in.

    Args:
        image: is left as it is.
        marks: are drawn in their order.
        height: pixels. The copy is scaled first, so that lines and letters stay sharp. None: not scaled.
    """
    scale = 1.0 if height is None else height / image.height
    copy = image.convert("RGB") if image.mode != "RGB" else image.copy()
    if height is not None and height != image.height:
        size = max(1, round(image.width * scale)), height
        copy = copy.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(copy)
    line = max(2, round(min(copy.size) / 300))
    for group in marks:
        for shape, label in zip_longest(np.asarray(group.shapes, np.float64) * scale, group.labels):
            if np.isfinite(shape).all():
                corners = _points(shape)
                pen.line([*corners, *corners[:2]], fill=group.colour, width=line, joint="curve")
                _label(pen, copy.size, corners, label or "", group.colour)
    return copy


def shade(image: Image.Image, mask: np.ndarray, colour: Colour = ORANGE, opacity: float = 0.43) -> None:
    """Tints `image` itself where `mask` [H, W] is not 0."""
    image.paste(colour, mask=Image.fromarray(((mask > 0) * round(255 * opacity)).astype(np.uint8)))


def _points(shape: np.ndarray) -> list[tuple[float, float]]:
    if shape.shape == (4,):
        xmin, ymin, xmax, ymax = shape.tolist()
        return [(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)]
    return [(x, y) for x, y in shape.tolist()]


def _label(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], corners: list[tuple[float, float]], text: str, ground: Colour
) -> None:
    """Writes `text` over a shape's upper left corner, inside the picture, on a ground that it can be read on."""
    if not text:
        return
    letters = font(max(SMALLEST_FONT, size[1] // 40), text)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=letters)
    width, height = right - left + 2 * PADDING, bottom - top + 2 * PADDING
    x = min(max(0, min(x for x, _ in corners)), max(0, size[0] - width))
    y = max(0, min(y for _, y in corners) - height)
    pen.rectangle((x, y, x + width, y + height), fill=ground)
    pen.text((x - left + PADDING, y - top + PADDING), text, fill=BLACK, font=letters)
