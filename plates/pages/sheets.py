"""Pictures put together on one, and as Markdown, which the UI is given."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from plates.pages.fonts import chinese_font, font
from plates.pages.pictures import Picture, placeholder
from plates.pages.uris import image_uri
from plates.pages.uris import markdown as in_markdown


def contact_sheet(pictures: Sequence[Picture], columns: int = 6) -> Image.Image:
    """All pictures in rows of `columns`, their captions under them; `?` for letters that no font here has."""
    if not pictures:
        return placeholder("nothing to show")
    columns = min(columns, len(pictures))
    cell_width = max(200, *(picture.image.width for picture in pictures)) + 8
    cell_height = max(picture.image.height for picture in pictures) + 44
    sheet = Image.new("RGB", (cell_width * columns, cell_height * math.ceil(len(pictures) / columns)), "white")
    pen = ImageDraw.Draw(sheet)
    for position, picture in enumerate(pictures):
        left, top = position % columns * cell_width + 4, position // columns * cell_height + 4
        sheet.paste(picture.image, (left, top))
        text = picture.caption if chinese_font() else picture.caption.encode("ascii", "replace").decode()
        width = max(1, cell_width // 8)
        lines = "\n".join([text[start : start + width] for start in range(0, len(text), width)][:2])
        pen.multiline_text((left, top + picture.image.height + 3), lines, fill="black", font=font(13, lines))
    return sheet


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


def markdown(pictures: Sequence[Picture], columns: int = 6, width: int = 960) -> str:
    """A contact sheet of at most `width` pixels as Markdown with the picture inside: some tens of KB."""
    if not pictures:
        return "none"
    sheet = contact_sheet(pictures, columns)
    if sheet.width > width:
        sheet = sheet.resize((width, round(sheet.height * width / sheet.width)), Image.Resampling.LANCZOS)
    return in_markdown("pictures", image_uri(sheet, quality=70))


def markdown_plot(plot: Picture) -> str:
    """A plot as Markdown with the picture inside, a PNG of 64 colours so that its letters stay sharp."""
    return in_markdown(plot.caption, image_uri(plot.image.quantize(64), "PNG", optimize=True))
