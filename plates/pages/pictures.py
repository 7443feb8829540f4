"""Pictures with captions, made from files and arrays."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageOps

from plates.pages.drawing import Marks, draw
from plates.pages.uris import image_uri
from plates.remote import Place, read

HEIGHT = 320
"""Pixels of a picture on a page."""

GROUND = (24, 24, 27)
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    NotImplementedError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for a file that is not an image, or a damaged one."""


@dataclass(frozen=True)
class Picture:
    """A small image and what is written under it."""

    image: Image.Image
    caption: str = ""

    @property
    def source(self) -> str:
        """The image as a data URI."""
        return image_uri(self.image, quality=85)


def from_array(pixels: np.ndarray, marks: Sequence[Marks] = (), caption: str = "", height: int = HEIGHT) -> Picture:
    """A picture of an image in memory, uint8 [H, W, 3] RGB; `marks` are in pixels of it."""
    return Picture(draw(Image.fromarray(pixels), marks, height), caption)


def from_file(file: Place | bytes, marks: Sequence[Marks] = (), caption: str = "", height: int = HEIGHT) -> Picture:
    """A picture of a photograph, from its file or its bytes; `marks` are in its pixels as displayed (EXIF).

    A file that does not decode becomes a grey picture with the reason.
    """
    try:
        content = file if isinstance(file, bytes) else read(file)
        with Image.open(io.BytesIO(content)) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
            width = image.height if turned else image.width
            image.draft("RGB", (max(1, image.width * height // image.height), height))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except UNREADABLE as error:
        return Picture(placeholder(type(error).__name__, height), caption)
    scale = upright.width / width
    scaled = [Marks(np.asarray(group.shapes, np.float64) * scale, group.colour, group.labels) for group in marks]
    return Picture(draw(upright, scaled, height), caption)


def placeholder(text: str, height: int = HEIGHT) -> Image.Image:
    """What is shown instead of a picture: the reason, on grey."""
    image = Image.new("RGB", (height * 720 // 1160, height), GROUND)
    ImageDraw.Draw(image).multiline_text((12, height // 2 - 16), f"not shown:\n{text}", fill="white")
    return image
