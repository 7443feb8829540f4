"""From a scan's table to images that can be used: converted if the settings say so, and decoded."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from plates.photographs.content import Photographs
from plates.photographs.convert import as_they_are, convert_images
from plates.photographs.decode import decode_images
from plates.settings.params import DataParams

Progress = Callable[[int, int], None]


def taken_in(
    images: pa.Table,
    photographs: Photographs,
    scratch: Path,
    settings: DataParams,
    progress: Callable[[str], Progress] | None = None,
) -> pa.Table:
    """A part of a scan's table (`RAW_IMAGES_SCHEMA`) as one of `TAKEN_SCHEMA`.

    Args:
        images: the part.
        photographs: where they are read.
        scratch: the project's, with what was converted and decoded before.
        settings: `data.convert` and `data.convert_quality`.
        progress: gives what is called with photographs done and to do, for a text.
    """
    if settings.convert == "when_needed":
        images = convert_images(
            images,
            photographs,
            cache=scratch / "converted.parquet",
            quality=settings.convert_quality,
            progress=progress and progress("photographs converted"),
        )
    else:
        images = as_they_are(images)
    return decode_images(
        images, photographs, cache=scratch / "decoded.parquet", progress=progress and progress("photographs decoded")
    )
