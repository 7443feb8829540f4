"""Photographs with the true box and the detected one drawn in."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

TRUTH = (46, 204, 113)
FOUND = (255, 140, 0)
HEIGHT = 360


@dataclass(frozen=True)
class Picture:
    """A photograph as a data URI, and what is written under it."""

    source: str
    caption: str


def extremes(outcomes: pd.DataFrame, count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The `count` worst and `count` best rows of `outcomes` (one row an image, columns `iou` and `score`).

    Worst are the missed and badly placed plates, the surest mistakes first; best the highest IoU.
    """
    ranked = outcomes.sort_values(["iou", "score"], ascending=[True, False], kind="stable")
    return ranked.head(count), ranked.tail(count).iloc[::-1]


def draw(photograph: Path, truth: pd.DataFrame, found: pd.DataFrame, caption: str) -> Picture:
    """Draws `truth` in green and `found` (with `score`) in orange; boxes in pixels of the original image."""
    with Image.open(photograph) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(14, image.height // 40))
    width = max(3, image.height // 160)
    for row in truth.itertuples():
        pen.rectangle((row.xmin, row.ymin, row.xmax, row.ymax), outline=TRUTH, width=width)
    for row in found.itertuples():
        pen.rectangle((row.xmin, row.ymin, row.xmax, row.ymax), outline=FOUND, width=width)
        pen.text((row.xmin, max(0, row.ymin - image.height // 36)), f"{row.score:.2f}", fill=FOUND, font=font)
    return Picture(data_uri(image), caption)


def data_uri(image: Image.Image, height: int = HEIGHT) -> str:
    """The image at most `height` pixels high, as a JPEG in a data URI."""
    image = image.convert("RGB")
    image.thumbnail((height * 2, height))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
