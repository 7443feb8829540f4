"""Pictures with their boxes drawn in."""

import base64
import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageOps

from plates.columns import BOX, CORNERS
from plates.files import read_regular

GREEN = (46, 204, 113)
ORANGE = (255, 140, 0)
GROUND = (24, 24, 27)
HEIGHT = 320
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    NotImplementedError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for a file that is no image, or a damaged one."""


@dataclass(frozen=True)
class Sample:
    """An image in memory, uint8 [H, W, 3] RGB, its boxes [N, 4] `xmin, ymin, xmax, ymax` in pixels of it,
    and a caption.
    """

    image: np.ndarray
    boxes: np.ndarray
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A small image with its boxes drawn in, and what is written under it."""

    image: Image.Image
    caption: str

    @property
    def source(self) -> str:
        """The image as a data URI."""
        buffer = io.BytesIO()
        self.image.save(buffer, "JPEG", quality=85)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def draw(image: Image.Image, boxes: np.ndarray, corners: np.ndarray | None = None, height: int = HEIGHT) -> Image.Image:
    """The image at `height` pixels with its boxes [N, 4] in green and its corners [N, 4, 2] in orange.

    Coordinates are in pixels of `image`; those that are not finite are not drawn.
    """
    scale = height / image.height
    size = (max(1, round(image.width * scale)), height)
    small = image.convert("RGB").resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(small)
    for quad in [] if corners is None else corners[np.isfinite(corners).all(axis=(1, 2))] * scale:
        pen.line([tuple(point) for point in (*quad, quad[0])], fill=ORANGE, width=2)
    for xmin, ymin, xmax, ymax in boxes[np.isfinite(boxes).all(axis=1)] * scale:
        pen.rectangle((min(xmin, xmax), min(ymin, ymax), max(xmin, xmax), max(ymin, ymax)), outline=GREEN, width=2)
    return small


def from_samples(samples: Sequence[Sample]) -> list[Picture]:
    """Pictures of images in memory, such as augmented ones."""
    return [Picture(draw(Image.fromarray(sample.image), sample.boxes), sample.caption) for sample in samples]


def from_rows(rows: pd.DataFrame, root: Path, captions: Sequence[str]) -> list[Picture]:
    """Pictures of rows of a labels table, read from `root`, one caption each.

    A file that does not decode becomes a grey picture that says so.
    """
    pictures = []
    for (_, row), caption in zip(rows.iterrows(), captions, strict=True):
        try:
            with Image.open(io.BytesIO(read_regular(root / str(row["path"])))) as image:
                full, small = image.size, _decoded(image)
        except UNREADABLE as error:
            pictures.append(Picture(placeholder(type(error).__name__), caption))
            continue
        scale = np.array([small.width / full[0], small.height / full[1]] * 2)
        boxes = row[BOX].to_numpy(np.float64, na_value=np.nan)[None] * scale
        corners = row[CORNERS].to_numpy(np.float64, na_value=np.nan).reshape(1, 4, 2) * scale[:2]
        pictures.append(Picture(draw(small, boxes, corners), caption))
    return pictures


def of_files(paths: Sequence[str], root: Path, captions: Sequence[str]) -> list[Picture]:
    """Pictures of files under `root` as they are, without boxes."""
    rows = pd.DataFrame({"path": list(paths), **dict.fromkeys([*BOX, *CORNERS], math.nan)})
    return from_rows(rows, root, captions)


def _decoded(image: Image.Image) -> Image.Image:
    """The image as it should be seen (EXIF), decoded no larger than needed."""
    image.draft("RGB", (image.width * HEIGHT // image.height, HEIGHT))
    return ImageOps.exif_transpose(image).convert("RGB")


def placeholder(text: str) -> Image.Image:
    """What stands where a picture cannot: the reason, on grey."""
    image = Image.new("RGB", (HEIGHT * 720 // 1160, HEIGHT), GROUND)
    ImageDraw.Draw(image).multiline_text((12, HEIGHT // 2 - 16), f"not shown:\n{text}", fill="white")
    return image
