"""Hiding the plates of one photograph."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin

from plates.errors import UserError
from plates.files import atomic
from plates.hide.options import Metadata, Options
from plates.hide.report import Hidden, chosen, weak
from plates.photographs.header import ORIENTATION
from plates.predict.model import Model
from plates.predict.picture import Picture
from plates.predict.result import Result

GPS, EXIF = 0x8825, 0x8769
NOT_KEPT = (0x927C, 0xA005)
"""Of the EXIF directory: the maker's notes, which may hold a preview, and a directory that says how to read it."""
DESCRIPTIVE = (
    *(0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298),  # title, camera, software, time, artist, copyright
    *(0x011A, 0x011B, 0x0128),  # resolution
)
"""The EXIF tags that say nothing about how pixels are stored, and hold no picture: in a TIFF, EXIF is the file's own
directory, and editors put previews and XMP, which may name the place, into theirs."""
COLOUR_SPACE = slice(16, 20)
"""Where an ICC profile says which colour space it is of (ICC.1:2022, 7.2)."""
WEBP_QUALITY = 90
DOUBTFUL = 0.5
"""Share of the threshold above which a detection that is not hidden should be checked."""


def hide_photograph(model: Model, source: Path, target: Path, options: Options) -> Hidden:
    """Writes `source` with its plates hidden to `target`, upright, in the same format and quality, in 8 bits a colour.

    EXIF that is kept has no thumbnail and no maker's notes, and neither is XMP or a second picture kept: they may show
    the plates.

    Raises:
        UserError: `source` cannot be read, or its EXIF cannot be written again.
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
    options: dict[str, Any] = {}
    profile = original.info.get("icc_profile")
    if profile and profile[COLOUR_SPACE] == b"RGB ":  # what is written is RGB; of CMYK or grey, it would not fit
        options["icc_profile"] = profile
    if metadata != "none":
        try:
            options["exif"] = _described(original.getexif(), place=metadata == "keep").tobytes()
        except Exception as error:  # a value of a type that its tag does not have: Pillow raises nearly anything
            raise UserError(
                f"{picture.source}: its EXIF cannot be written again ({error}). Leave it out: --metadata none"
            ) from None
    if isinstance(original, JpegImagePlugin.JpegImageFile):
        sampling = JpegImagePlugin.get_sampling(original)
        options |= {"qtables": original.quantization, "subsampling": max(sampling, 0)}
    elif original.format == "WEBP":
        options["quality"] = WEBP_QUALITY
    kind = "JPEG" if original.format == "MPO" else original.format
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _described(exif: Image.Exif, place: bool) -> Image.Exif:
    """What may be kept of EXIF: who took the picture, when, with which camera and settings; with `place`, where."""
    kept = Image.Exif()
    kept.update({tag: exif[tag] for tag in DESCRIPTIVE if tag in exif})
    kept[ORIENTATION] = 1
    if settings := {tag: value for tag, value in exif.get_ifd(EXIF).items() if tag not in NOT_KEPT}:
        kept[EXIF] = settings
    if place and (where := exif.get_ifd(GPS)):
        kept[GPS] = where
    return kept
