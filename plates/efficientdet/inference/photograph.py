"""Photographs to predict on: read, looked at whole and turned upright before TensorFlow starts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps

from plates.efficientdet.data.jpeg import decoded_size
from plates.errors import UserError
from plates.files import read_regular

ORIENTATION = 0x0112
UPRIGHT = 1


@dataclass(frozen=True)
class Photograph:
    """A JPEG that the model can take.

    Attributes:
        path: as it was given.
        jpeg: the file's bytes, or those of the turned picture.
        width: pixels, as a viewer shows the picture; `height` likewise.
        orientation: the file's EXIF orientation, 1 to 8; over 1 the picture was turned.
    """

    path: str
    jpeg: bytes
    width: int
    height: int
    orientation: int = UPRIGHT


@dataclass(frozen=True)
class Unusable:
    """A file that cannot be predicted on, and why in one line."""

    path: str
    error: str


def read_photograph(path: str | Path) -> Photograph:
    """Reads a photograph and decodes it in full once.

    A picture that EXIF turns is turned, and encoded again at the highest quality.

    Raises:
        UserError: the file is missing, not a regular file, not a JPEG, too large or damaged.
    """
    try:
        content = read_regular(Path(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format != "JPEG":
                raise UserError(f"{path} is not a JPEG but a {image.format}; convert it first")
            _require_whole(path, content)
            orientation = image.getexif().get(ORIENTATION, UPRIGHT)
            if orientation not in range(UPRIGHT + 1, 9):
                return Photograph(str(path), content, image.width, image.height)
            turned = ImageOps.exif_transpose(image)
            encoded = io.BytesIO()
            turned.save(encoded, "JPEG", quality=100, subsampling=0)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} is not a JPEG" + (", it is empty" if not content else "")) from error
    return Photograph(str(path), encoded.getvalue(), turned.width, turned.height, orientation)


def read_batches(files: Iterable[str | Path], size: int) -> Iterator[list[Photograph | Unusable]]:
    """Reads files in their order, `size` at a time."""
    remaining = iter(files)
    while batch := list(islice(remaining, size)):
        yield [_read(path) for path in batch]


def _require_whole(path: str | Path, content: bytes) -> None:
    try:
        decoded_size(content)
    except ValueError as error:
        raise UserError(f"{path} is damaged: {str(error).strip()}") from error


def _read(path: str | Path) -> Photograph | Unusable:
    try:
        return read_photograph(path)
    except UserError as error:
        return Unusable(str(path), str(error))
