"""The picture of one plate, seen straight on: GA 36-2018's sizes in millimetres and colours, and their wear."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from plates.ccpd.scenes.glyphs import province_mask
from plates.ccpd.scenes.texture import noise_field

SCALE = 1.4  # pixels a millimetre
SIZES = {"blue": (440, 140), "green": (480, 140)}
CHARACTER = (45, 90)


def draw_plate(plate: str, plate_type: str, rng: np.random.Generator) -> Image.Image:
    """The RGB picture of `plate`, `SCALE` pixels a millimetre, its edges at the edges of the picture."""
    width, height = (round(side * SCALE) for side in SIZES[plate_type])
    image, ink = (_green if plate_type == "green" else _blue)(width, height, rng)
    _border(image, ink, rng)
    _characters(image, plate, plate_type, ink, rng)
    _screws(image, rng)
    return _weather(image, rng)


def _blue(width: int, height: int, rng: np.random.Generator) -> tuple[Image.Image, tuple[int, int, int]]:
    red, green, blue = rng.uniform(5, 45), rng.uniform(45, 130), rng.uniform(165, 250)
    image = Image.new("RGB", (width, height), (int(red), int(green), int(blue)))
    white = int(rng.uniform(205, 255))
    return image, (white, white, min(255, white + int(rng.uniform(0, 20))))


def _green(width: int, height: int, rng: np.random.Generator) -> tuple[Image.Image, tuple[int, int, int]]:
    top = rng.uniform((190, 220, 195), (235, 250, 235))
    bottom = rng.uniform((30, 160, 80), (110, 215, 140))
    ramp = np.linspace(0, 1, height)[:, None] ** rng.uniform(0.8, 1.6)
    column = (top * (1 - ramp) + bottom * ramp).astype(np.uint8)[:, None]
    ink = int(rng.uniform(5, 50))
    return Image.fromarray(column).resize((width, height)), (ink, ink + 10, ink)


def _border(image: Image.Image, ink: tuple[int, int, int], rng: np.random.Generator) -> None:
    inset, line = int(rng.uniform(4, 8) * SCALE), int(rng.uniform(1.5, 4) * SCALE)
    box = (inset, inset, image.width - inset, image.height - inset)
    ImageDraw.Draw(image).rounded_rectangle(box, radius=12, outline=ink, width=line)


def _characters(
    image: Image.Image, plate: str, plate_type: str, ink: tuple[int, int, int], rng: np.random.Generator
) -> None:
    # Left edges in millimetres: 15.5 margin, 45 wide at a pitch of 57, and 22 for the dot after the second one.
    pitch, gap, margin = (57, 22, 15.5) if plate_type == "blue" else (54, 37, 14)
    font, bold = int(rng.integers(2)), int(rng.integers(3))
    size = (round(CHARACTER[0] * SCALE), round(CHARACTER[1] * SCALE))
    for position, symbol in enumerate(plate):
        left = margin + position * pitch + (gap if position >= 2 else 0)
        mask = province_mask(symbol, *size, stroke=8 + bold) if position == 0 else _glyph(symbol, size, font, bold)
        jitter = rng.integers(-1, 2, 2)
        image.paste(ink, (round(left * SCALE) + int(jitter[0]), round(25 * SCALE) + int(jitter[1])), mask)
    if plate_type == "blue":
        x, y, r = (margin + 2 * pitch + 5) * SCALE, 70 * SCALE, 6 * SCALE
        ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=ink)


@cache
def _glyph(symbol: str, size: tuple[int, int], font: int, bold: int) -> Image.Image:
    drawn = ImageFont.load_default(160) if font else ImageFont.truetype(str(font_path()), 160)
    left, top, right, bottom = drawn.getbbox(symbol)
    mask = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), symbol, fill=255, font=drawn)
    if bold and font:
        mask = mask.filter(ImageFilter.MaxFilter(4 * bold + 1))
    if symbol in "1I":  # keeps its stroke's width instead of filling the cell
        narrow = mask.resize((size[0] // (2 if symbol == "1" else 4), size[1]), Image.Resampling.BOX)
        mask = Image.new("L", size)
        mask.paste(narrow, ((size[0] - narrow.width) // 2, 0))
        return mask
    return mask.resize(size, Image.Resampling.BOX)


@cache
def font_path() -> Path:
    """DejaVu Sans Bold, from matplotlib's own data, without importing matplotlib."""
    spec = find_spec("matplotlib")
    assert spec is not None
    return Path(spec.origin or "").parent / "mpl-data/fonts/ttf/DejaVuSans-Bold.ttf"


def _screws(image: Image.Image, rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(image)
    for x, y, chance in ((0.27, 0.1, 0.8), (0.73, 0.1, 0.8), (0.27, 0.9, 0.5), (0.73, 0.9, 0.5)):
        if rng.random() < chance:
            r = rng.uniform(4, 8) * SCALE
            shade = int(rng.choice([rng.uniform(20, 70), rng.uniform(150, 230)]))
            cx, cy = x * image.width, y * image.height
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(shade, shade, shade), outline=(60, 60, 70))


def _weather(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    if rng.random() < 0.6:  # uneven light
        low, high = rng.uniform(0.65, 1.0) * 255, 255
        shade = noise_field("smooth", image.size, rng).point(
            [int(low + (high - low) * min(1, v / 170)) for v in range(256)]
        )
        image = ImageChops.multiply(image, Image.merge("RGB", (shade,) * 3))
    if rng.random() < 0.25:  # mud or dust
        mask = noise_field("rough", image.size, rng).point([max(0, min(200, (v - 150) * 5)) for v in range(256)])
        tone = rng.uniform((60, 50, 40), (170, 160, 150)).astype(int)
        image.paste(tuple(int(c) for c in tone), (0, 0), mask)
    if rng.random() < 0.2:  # glare
        mask = noise_field("smooth", image.size, rng).point([max(0, min(210, (v - 140) * 4)) for v in range(256)])
        image.paste((255, 255, 250), (0, 0), mask)
    if rng.random() < 0.15:  # the edge of a shadow
        mask, x = Image.new("L", image.size), rng.uniform(0, 1, 2) * image.width
        ImageDraw.Draw(mask).polygon([(0, 0), (x[0], 0), (x[1], image.height), (0, image.height)], fill=110)
        image.paste((0, 0, 0), (0, 0), mask)
    return image
