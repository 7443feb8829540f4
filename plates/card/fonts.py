"""The font that draws Chinese characters, where the machine has one; none is shipped."""

from functools import cache
from pathlib import Path

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
