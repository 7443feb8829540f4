"""Pictures with their boxes drawn in, one by one and as contact sheets."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ccpd.columns import BOX, CORNERS

GREEN = (46, 204, 113)
ORANGE = (255, 140, 0)
GROUND = (24, 24, 27)
HEIGHT = 320


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
            with Image.open(root / str(row["path"])) as image:
                full, small = image.size, _decoded(image)
        except (OSError, Image.DecompressionBombError) as error:
            pictures.append(Picture(_unreadable(type(error).__name__), caption))
            continue
        scale = np.array([small.width / full[0], small.height / full[1]] * 2)
        boxes = row[BOX].to_numpy(np.float64, na_value=np.nan)[None] * scale
        corners = row[CORNERS].to_numpy(np.float64, na_value=np.nan).reshape(1, 4, 2) * scale[:2]
        pictures.append(Picture(draw(small, boxes, corners), caption))
    return pictures


def contact_sheet(pictures: Sequence[Picture], columns: int = 6) -> Image.Image:
    """All pictures in rows of `columns`, their captions under them; letters that the font lacks are shown
    as `?`.
    """
    if not pictures:
        return _unreadable("nothing to show")
    font = ImageFont.load_default(size=13)
    columns = min(columns, len(pictures))
    cell_width = max(200, *(picture.image.width for picture in pictures)) + 8
    cell_height = max(picture.image.height for picture in pictures) + 44
    sheet = Image.new("RGB", (cell_width * columns, cell_height * math.ceil(len(pictures) / columns)), "white")
    pen = ImageDraw.Draw(sheet)
    for position, picture in enumerate(pictures):
        left, top = position % columns * cell_width + 4, position // columns * cell_height + 4
        sheet.paste(picture.image, (left, top))
        text = picture.caption.encode("ascii", "replace").decode()
        width = max(1, cell_width // 7)
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
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=70)
    return f"![pictures](data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()})"


def side_by_side(pairs: pd.DataFrame, root: Path, count: int = 6) -> str:
    """The first `count` pairs of near-duplicates (`photograph`, `in train`, `bits`), each pair in a row, as
    Markdown."""
    shown = pairs.head(count)
    paths = [path for pair in zip(shown["photograph"], shown["in train"], strict=True) for path in pair]
    captions = [text for bits in shown["bits"] for text in (f"{bits} bits differ", "in train")]
    return markdown(of_files(paths, root, captions), columns=4)


def of_files(paths: Sequence[str], root: Path, captions: Sequence[str]) -> list[Picture]:
    """Pictures of files under `root` as they are, without boxes."""
    rows = pd.DataFrame({"path": list(paths), **dict.fromkeys([*BOX, *CORNERS], math.nan)})
    return from_rows(rows, root, captions)


def _decoded(image: Image.Image) -> Image.Image:
    """The image as it should be seen (EXIF), decoded no larger than needed."""
    image.draft("RGB", (image.width * HEIGHT // image.height, HEIGHT))
    return ImageOps.exif_transpose(image).convert("RGB")


def _unreadable(text: str) -> Image.Image:
    image = Image.new("RGB", (HEIGHT * 720 // 1160, HEIGHT), GROUND)
    ImageDraw.Draw(image).multiline_text((12, HEIGHT // 2 - 16), f"not shown:\n{text}", fill="white")
    return image
