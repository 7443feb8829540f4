"""Fonts that pictures are written in. None is shipped: Chinese characters need one that the machine has."""

from functools import cache
from pathlib import Path

from PIL import ImageFont

CHINESE = (
    "NotoSansCJK-Regular",
    "NotoSansSC",
    "NotoSansCJKsc-Regular",
    "SourceHanSans",
    "wqy-",
    "DroidSansFallback",
    "msyh",
    "simhei",
    "PingFang",
    "Hiragino Sans GB",
)


@cache
def chinese_font() -> Path | None:
    """The first of `CHINESE` among the system's fonts."""
    from matplotlib.font_manager import findSystemFonts

    files = [Path(file) for file in sorted(findSystemFonts())]
    return next((file for start in CHINESE for file in files if file.stem.startswith(start)), None)


def font(size: int, text: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of `size` pixels that can write `text`, as far as this machine has one."""
    chinese = None if text.isascii() else chinese_font()
    return ImageFont.load_default(size=size) if chinese is None else ImageFont.truetype(chinese, size)
