"""Whether the labelled boxes contain something: shuffled, swapped or misplaced labels are on plain background."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from plates.columns import BOX
from plates.errors import UserError
from plates.photographs.content import Photographs
from plates.settings.project import Project

PLAIN = 1.35
"""`detail` under which boxes are not on plates: right labels have over 2 on real photographs and the sample."""
LOOKED_AT = 64
"""Boxes whose pixels are read."""
MARGIN = 0.75
"""Width of the ring around a box, in sides of the box."""


def typical_detail(project: Project, truth: pd.DataFrame) -> float | None:
    """Median of `detail` over a seeded sample of the training boxes; None: the photographs are missing or changed.

    Args:
        truth: of `plates.scoring.truth`.
    """
    rows = truth[(truth["split"] == "train") & truth["class"].notna()]
    rows = rows.sample(min(LOOKED_AT, len(rows)), random_state=0)
    try:
        found = detail(Photographs.of(project), rows)
    except (OSError, UserError):
        return None
    return float(np.nanmedian(found)) if np.isfinite(found).any() else None


def detail(photographs: Photographs, boxes: pd.DataFrame) -> np.ndarray:
    """How much more grey values change inside each box than in the ring around it.

    Characters make a plate more detailed than its surroundings: on CCPD's photographs the median is over 2. A
    box on plain background, or on another part of the picture, has about 1.

    Args:
        photographs: where they are.
        boxes: path, sha256 and the box, in pixels of the upright picture.

    Returns:
        float [N]: mean absolute difference of neighbouring columns inside over that in the ring; NaN where a box or
        its ring has no inside.
    """
    found = np.full(len(boxes), np.nan)
    for (path, sha256), rows in boxes.reset_index(drop=True).groupby(["path", "sha256"]):
        with Image.open(io.BytesIO(photographs.read(path, sha256))) as image:
            grey = np.asarray(image.convert("L"), np.float32)
        change = np.abs(np.diff(grey, axis=1))
        for number, box in zip(rows.index, rows[BOX].to_numpy(float), strict=True):
            found[number] = _ratio(change, box)
    return found


def _ratio(change: np.ndarray, box: Sequence[float]) -> float:
    height, width = change.shape
    xmin, ymin, xmax, ymax = box
    across, down = MARGIN * (xmax - xmin), MARGIN * (ymax - ymin)
    inside = _cut(change, xmin, ymin, xmax, ymax)
    around = _cut(
        change, max(xmin - across, 0), max(ymin - down, 0), min(xmax + across, width), min(ymax + down, height)
    )
    ring = around.size - inside.size
    if not inside.size or ring <= 0:
        return float("nan")
    outside = (float(around.sum()) - float(inside.sum())) / ring
    return float(inside.mean()) / outside if outside > 0 else float("nan")


def _cut(change: np.ndarray, xmin: float, ymin: float, xmax: float, ymax: float) -> np.ndarray:
    return change[max(round(ymin), 0) : max(round(ymax), 0), max(round(xmin), 0) : max(round(xmax), 0)]
