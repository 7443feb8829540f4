"""Hiding the plates of one photograph."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin

from plates.files import atomic
from plates.hide.options import Metadata, Options
from plates.hide.report import Hidden, chosen, weak
from plates.photographs.header import ORIENTATION
from plates.predict.model import Model
from plates.predict.picture import Picture
from plates.predict.result import Result

GPS = 0x8825
WEBP_QUALITY = 90
DOUBTFUL = 0.5
"""Share of the threshold above which a detection that is not hidden should be checked."""


def hide_photograph(model: Model, source: Path, target: Path, options: Options) -> Hidden:
    """Writes `source` with its plates hidden to `target`, upright, in the same format and quality, in 8 bits a colour.

    An EXIF block that is kept has no thumbnail, and neither is a second picture kept: they would show the plates.

    Raises:
        UserError: `source` cannot be read.
    """
    picture = Picture.read(source)
    covered, result, least = covered_photograph(model, picture, options)
    with atomic(target) as temporary:
        temporary.write_bytes(covered)
    shown = result.over(least)
    report = Hidden(str(source), str(target), plates=len(shown))
    report.doubts = weak(result.xyxy, result.scores, least, shown.xyxy)
    report.pictures = [doubt.picture(picture.pixels) for doubt in chosen(report.doubts)]
    if picture.opened.format == "MPO":
        report.left_out = ["the pictures after the first"]
    return report


def covered_photograph(model: Model, picture: Picture, options: Options) -> tuple[bytes, Result, float]:
    """A photograph's file with its plates hidden, what was found in it, doubtful ones too, and the threshold."""
    least = threshold(model, options)
    (result,) = model.predict(picture, score=max(DOUBTFUL * least, model.lowest))
    hidden = result.over(least).hide(options.style, options.margin)
    return encoded(hidden, picture, options.metadata), result, least


def threshold(model: Model, options: Options) -> float:
    """The least score that is hidden."""
    promised = "promise" if options.score is None and "promise" in model.description.thresholds else options.score
    return model.threshold(promised)


def encoded(image: Image.Image, picture: Picture, metadata: Metadata) -> bytes:
    """`image` in the format, quality and with the metadata of the picture that it is made of."""
    original = picture.opened
    options: dict[str, Any] = {"icc_profile": original.info.get("icc_profile")}
    if metadata != "none":
        exif = original.getexif()
        exif[ORIENTATION] = 1
        if metadata == "no-gps":
            exif.pop(GPS, None)
        options["exif"] = exif.tobytes()
    if isinstance(original, JpegImagePlugin.JpegImageFile):
        sampling = JpegImagePlugin.get_sampling(original)
        options |= {"qtables": original.quantization, "subsampling": max(sampling, 0)}
    elif original.format == "WEBP":
        options["quality"] = WEBP_QUALITY
    kind = "JPEG" if original.format == "MPO" else original.format
    buffer = io.BytesIO()
    image.save(buffer, kind, **{name: value for name, value in options.items() if value is not None})
    return buffer.getvalue()
