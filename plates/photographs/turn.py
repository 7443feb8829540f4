"""Applies an EXIF orientation to a picture and to points in it (CIPA DC-008, table 6)."""

import numpy as np
import pandas as pd
from PIL import Image

from plates.ccpd.geometry import in_order
from plates.columns import BOX, CORNERS
from plates.photographs.header import ORIENTATION

TRANSPOSE = Image.Transpose
OPERATIONS = {
    2: TRANSPOSE.FLIP_LEFT_RIGHT,
    3: TRANSPOSE.ROTATE_180,
    4: TRANSPOSE.FLIP_TOP_BOTTOM,
    5: TRANSPOSE.TRANSPOSE,
    6: TRANSPOSE.ROTATE_270,
    7: TRANSPOSE.TRANSVERSE,
    8: TRANSPOSE.ROTATE_90,
}
"""By orientation: what turns the stored picture into the displayed one. From 5 on width and height change places."""


def upright(image: Image.Image) -> tuple[Image.Image, int]:
    """An open picture, loaded, as displayed; and the EXIF orientation, 1 to 8, that it was turned by."""
    orientation = _orientation(image)
    image.load()
    left = _orientation(image)  # Pillow turns a TIFF itself
    return image.transpose(OPERATIONS[left]) if left in OPERATIONS else image, orientation


def _orientation(image: Image.Image) -> int:
    said = image.getexif().get(ORIENTATION, 1)
    return said if said in range(1, 9) else 1


def turned(points: np.ndarray, size: np.ndarray, orientation: int) -> np.ndarray:
    """Where points of the stored picture are in the displayed one.

    Args:
        points: [..., 2], x and y in pixels of the stored picture.
        size: [..., 2], width and height of the picture as displayed.
        orientation: 1 to 8.
    """
    x, y = points[..., 0], points[..., 1]
    if orientation >= 5:
        x, y = y, x
    width, height = size[..., 0], size[..., 1]
    if orientation in (2, 3, 6, 7):
        x = width - x
    if orientation in (3, 4, 7, 8):
        y = height - y
    return np.stack([x, y], axis=-1)


def drawn_upright(said: np.ndarray, size: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Whether [N] the boxes of turned photographs were drawn on the picture as displayed, not as it is stored.

    The size in the annotation decides, if turning changes it. If not, the delivery's other annotations decide if they
    agree on the picture as displayed; otherwise the stored one is meant.

    Args:
        said: [N, 2], width and height that the annotation says; NaN if it gives none.
        size: [N, 2], of the picture as displayed.
        orientation: [N], 1 to 8.
    """
    seen, stored = (said == size).all(axis=1), (said == size[:, ::-1]).all(axis=1)
    telling = (orientation >= 5) & (seen != stored)
    return np.where(telling, seen, telling.any() and bool(seen[telling].all()))


def turn_labels(labels: pd.DataFrame, orientation: np.ndarray) -> pd.DataFrame:
    """Moves boxes and corners of stored pictures to where they are in the displayed ones.

    `width` and `height` of the table are those of the picture as displayed.

    Args:
        labels: the labels table.
        orientation: [N], 1 to 8; 1 leaves a row as it is.
    """
    result = labels.copy()
    for value in np.unique(orientation[orientation > 1]):
        at = orientation == value
        size = labels.loc[at, ["width", "height"]].to_numpy(np.float64, na_value=np.nan)[:, None]
        boxes = labels.loc[at, BOX].to_numpy(np.float64, na_value=np.nan).reshape(-1, 2, 2)
        corners = labels.loc[at, CORNERS].to_numpy(np.float64, na_value=np.nan).reshape(-1, 4, 2)
        boxes, corners = turned(boxes, size, value), in_order(turned(corners, size, value))
        result.loc[at, BOX] = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)
        result.loc[at, CORNERS] = corners.reshape(-1, 8)
    return result
