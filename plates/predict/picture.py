"""One picture from any kind of input: upright, RGB, eight bits, and decoded no further than needed."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

from plates.errors import UserError
from plates.files import read_regular
from plates.photographs.convert import plain
from plates.photographs.decode import MOST_MEGAPIXELS
from plates.photographs.header import ORIENTATION
from plates.photographs.turn import OPERATIONS, upright

LYING = (5, 6, 7, 8)
"""EXIF orientations of pictures stored on their side."""


class Picture:
    """A picture as a viewer shows it.

    Args:
        content: a file's bytes, a Pillow image, or pixels: [h, w] grey, [h, w, 3] RGB or [h, w, 4] RGBA, uint8, uint16,
            or floats from 0 to 1. (OpenCV's are BGR: turn them with `pixels[..., ::-1]`.)
        source: what messages call it.

    Raises:
        UserError: not a picture, or over `MOST_MEGAPIXELS`. Damage behind a whole header is found when the pixels are
            asked for.
    """

    def __init__(self, content: bytes | Image.Image | np.ndarray, source: str) -> None:
        self.source = source
        self.content = content if isinstance(content, bytes) else None
        self.opened, self.orientation, self._turning = _opened(content, source)
        stored = self.opened.size
        self.width, self.height = stored if self._turning is None or self.orientation not in LYING else stored[::-1]
        if self.width * self.height > MOST_MEGAPIXELS * 10**6:
            raise UserError(
                f"{source} has {self.width:,} x {self.height:,} pixels, more than {MOST_MEGAPIXELS} million. Scale it "
                "down, or split it"
            )

    @classmethod
    def read(cls, file: Path) -> Picture:
        """The picture in a file; raises `UserError` if it cannot be read."""
        try:
            return cls(read_regular(file), str(file))
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}") from None

    @property
    def turned(self) -> bool:
        """Whether its EXIF block turns or mirrors it; boxes are in pixels of the upright picture."""
        return self.orientation > 1

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 [h, w, 3] RGB; raises `UserError` if the file is damaged."""
        return self.reduced(1)

    @property
    def image(self) -> Image.Image:
        """`pixels` as a Pillow image of its own."""
        return Image.fromarray(self.pixels).copy()

    def reduced(self, ratio: int) -> np.ndarray:
        """uint8 [h / ratio, w / ratio, 3] RGB, each pixel the mean of those it covers; `ratio` divides both sides.

        A JPEG is decoded at that size, by the transform that TensorFlow's decoder uses.
        """
        if self.content and self.opened.format == "JPEG" and self.opened.mode == "RGB":
            width, height = self.opened.size
            smaller = {"min_height": height // ratio, "min_width": width // ratio, "min_factor": ratio}
            try:
                pixels = simplejpeg.decode_jpeg(self.content, "RGB", fastdct=True, **smaller)
            except ValueError as error:
                raise UserError(f"{self.source} is damaged: {str(error).strip()}") from None
        else:
            try:
                image = plain(self.opened).convert("RGB")
            except Exception as error:  # Pillow raises nearly anything
                raise UserError(f"{self.source} is damaged: {error}") from None
            pixels = np.asarray(image.reduce(ratio) if ratio > 1 else image)
        return pixels if self._turning is None else np.asarray(Image.fromarray(pixels).transpose(self._turning))


def _opened(content: Any, source: str) -> tuple[Image.Image, int, Image.Transpose | None]:
    """The picture as stored, its EXIF orientation, and what turns it upright where Pillow has not done so already."""
    if not isinstance(content, bytes):
        return _image(content, source), 1, None
    if not content:
        raise UserError(f"{source} is empty")
    try:
        image = Image.open(io.BytesIO(content))
        if image.format not in ("JPEG", "MPO") and (frames := getattr(image, "n_frames", 1)) > 1:
            raise UserError(
                f"{source} is an animation or a stack of {frames:,} pictures: name a single one, or a video"
            )
        if image.format == "TIFF":  # Pillow turns it as it loads it
            return *upright(image), None
        orientation = image.getexif().get(ORIENTATION, 1)
    except Image.DecompressionBombError:
        raise UserError(
            f"{source} has more than {MOST_MEGAPIXELS} million pixels. Scale it down, or split it"
        ) from None
    except UnidentifiedImageError:
        raise UserError(f"{source} is not a picture that can be opened") from None
    except UserError:
        raise
    except Exception as error:  # Pillow raises nearly anything
        raise UserError(f"{source} is damaged: {error}") from None
    turning = OPERATIONS.get(orientation)
    return image, 1 if turning is None else orientation, turning


def _image(content: Any, source: str) -> Image.Image:
    if isinstance(content, Image.Image):
        return ImageOps.exif_transpose(content)
    pixels = np.asarray(content)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif np.issubdtype(pixels.dtype, np.floating) and pixels.size and 0 <= pixels.min() <= pixels.max() <= 1:
        pixels = (pixels * 255 + 0.5).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    colours = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not colours or not pixels.size:
        raise UserError(
            f"{source} is an array {list(pixels.shape)} of {pixels.dtype}; a picture is [h, w], [h, w, 3] or [h, w, 4] "
            "of uint8, uint16, or floats from 0 to 1"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))
