"""Photographs with the true box and the detected one drawn in."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from plates.columns import BOX
from plates.pages.drawing import GREEN, ORANGE, Marks
from plates.pages.pictures import UNREADABLE, Picture, from_array, from_file
from plates.remote import Place, read

HEIGHT = 360
PLAIN = 200
READABLE = 12
"""A plate of fewer pixels in a photograph `PLAIN` pixels high is too small to see: it is shown enlarged."""
AROUND = 2.5
"""Times the size of the boxes that the near picture shows."""


def worst(outcomes: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` worst rows of `outcomes` (one row per image: `iou`, `score`), the most confident mistakes first."""
    return outcomes.sort_values(["iou", "score"], ascending=[True, False], kind="stable").head(count)


def draw(photograph: Place, truth: pd.DataFrame, found: pd.DataFrame, caption: str) -> Picture:
    """Draws `truth` in green and `found` (with `score`) in orange, enlarged if the plate is small.

    Boxes are in pixels of the original image; `truth` also has its width and height.
    """
    scores = [f"{score:.2f}" for score in found["score"]]
    marks = [Marks(truth[BOX].to_numpy(float), GREEN), Marks(found[BOX].to_numpy(float), ORANGE, scores)]
    plate = (truth["ymax"] - truth["ymin"]).min()
    if plate * PLAIN / truth["height"].iloc[0] >= READABLE:
        return from_file(photograph, marks, caption, HEIGHT)
    return near(photograph, marks, f"{caption}, enlarged")


def near(photograph: Place, marks: Sequence[Marks], caption: str) -> Picture:
    """Draws boxes and their surroundings; a photograph that does not decode is replaced by the reason."""
    try:
        with Image.open(io.BytesIO(read(photograph))) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except UNREADABLE:
        return from_file(photograph, marks, caption, HEIGHT)
    left, top, right, bottom = _window(np.concatenate([group.shapes for group in marks]), upright.size)
    moved = [Marks(group.shapes - [left, top, left, top], group.colour, group.labels) for group in marks]
    return from_array(np.asarray(upright.crop((left, top, right, bottom))), moved, caption, HEIGHT)


def _window(boxes: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A part of a photograph, width by height as 3 by 4, around the boxes."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    width = min(max(AROUND * (high - low)[0], AROUND * (high - low)[1] * 0.75, 48.0), size[0])
    height = min(width / 0.75, size[1])
    left = np.clip((low + high)[0] / 2 - width / 2, 0, size[0] - width)
    top = np.clip((low + high)[1] / 2 - height / 2, 0, size[1] - height)
    return int(left), int(top), int(left + width), int(top + height)
