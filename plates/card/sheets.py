"""Pictures put together: contact sheets, and sheets and plots as Markdown, which the UI is given."""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from plates.card.fonts import chinese_font
from plates.card.pictures import Picture, of_files, placeholder


def contact_sheet(pictures: Sequence[Picture], columns: int = 6) -> Image.Image:
    """All pictures in rows of `columns`, their captions under them; letters that no font here has are shown
    as `?`.
    """
    if not pictures:
        return placeholder("nothing to show")
    chinese = chinese_font()
    font = ImageFont.truetype(chinese, 13) if chinese else ImageFont.load_default(size=13)
    columns = min(columns, len(pictures))
    cell_width = max(200, *(picture.image.width for picture in pictures)) + 8
    cell_height = max(picture.image.height for picture in pictures) + 44
    sheet = Image.new("RGB", (cell_width * columns, cell_height * math.ceil(len(pictures) / columns)), "white")
    pen = ImageDraw.Draw(sheet)
    for position, picture in enumerate(pictures):
        left, top = position % columns * cell_width + 4, position // columns * cell_height + 4
        sheet.paste(picture.image, (left, top))
        text = picture.caption if chinese else picture.caption.encode("ascii", "replace").decode()
        width = max(1, cell_width // 8)
        lines = [text[start : start + width] for start in range(0, len(text), width)][:2]
        pen.multiline_text((left, top + picture.image.height + 3), "\n".join(lines), fill="black", font=font)
    return sheet


def markdown(pictures: Sequence[Picture], columns: int = 6, width: int = 960) -> str:
    """A contact sheet of at most `width` pixels as Markdown with the picture inside: some tens of KB."""
    if not pictures:
        return "none"
    sheet = contact_sheet(pictures, columns)
    if sheet.width > width:
        sheet = sheet.resize((width, round(sheet.height * width / sheet.width)), Image.Resampling.LANCZOS)
    return _inline("pictures", sheet, "JPEG", quality=70)


def markdown_drawing(drawing: Picture) -> str:
    """A plot as Markdown with the picture inside, a PNG of 64 colours so that its letters stay sharp."""
    return _inline(drawing.caption, drawing.image.quantize(64), "PNG", optimize=True)


def flow(images: Sequence[Image.Image], width: int) -> Image.Image:
    """Images on white from left to right, in rows of at most `width` pixels, or as wide as the widest."""
    width = max(width, *(image.width for image in images))
    corners, left, top, below = [], 0, 0, 0
    for image in images:
        if left + image.width > width:
            left, top = 0, below
        corners.append((left, top))
        left, below = left + image.width, max(below, top + image.height)
    whole = Image.new("RGB", (width, below), "white")
    for image, corner in zip(images, corners, strict=True):
        whole.paste(image, corner)
    return whole


def side_by_side(pairs: pd.DataFrame, root: Path, count: int = 6) -> str:
    """The first `count` pairs of near-duplicates (`photograph`, `looks like`, `bits`), each pair in a row, as
    Markdown."""
    shown = pairs.head(count)
    paths = [path for pair in zip(shown["photograph"], shown["looks like"], strict=True) for path in pair]
    captions = [text for bits in shown["bits"] for text in (f"{bits} bits differ", "from this")]
    return markdown(of_files(paths, root, captions), columns=4)


def _inline(title: str, image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"![{title}](data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()})"
