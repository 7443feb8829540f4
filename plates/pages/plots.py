"""What plots are drawn on: matplotlib figures without pyplot, their axes, and their SVG and PNG."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from plates.pages.fonts import chinese_font
from plates.pages.pictures import Picture

DPI = 100
COLOURS = ("#3b82f6", "#f59e0b", "#059669", "#a855f7")
"""Of lines and points, in their order: each can be seen on white and on black."""

GRID = "#80808040"
INK = "#010203"
"""Placeholder in an SVG for the colour of the page's text, which differs in dark mode."""

PLAIN: dict[Any, Any] = {"text.parse_math": False}
"""Names with two dollar signs are names."""


@contextmanager
def text_as_svg() -> Iterator[None]:
    """For figures that become SVG in a page: its fonts and colours, and the same bytes on every machine."""
    import matplotlib

    inked = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    fixed: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "plates", "font.family": ["DejaVu Sans"]}
    fixed |= PLAIN
    with matplotlib.rc_context(fixed | inked), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


@contextmanager
def text_as_pixels() -> Iterator[None]:
    """For figures that become PNG: letters are drawn here, Chinese ones with the font that this machine has."""
    import matplotlib

    path = chinese_font()
    family = ["DejaVu Sans", *([] if path is None else [_family(path)])]
    with matplotlib.rc_context({"font.family": family} | PLAIN):
        yield


def panels(title: str, width: float, height: float, count: int = 1) -> tuple[Any, list[Any]]:
    """A figure of `width` x `height` inches with `count` axes side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    figure.suptitle(title, fontsize=11, fontweight="bold", fontfamily="DejaVu Sans")
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    for axis in axes:
        axis.set_facecolor("none")
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def logarithmic(axis: Any, number: Callable[[float], str] = "{:g}".format) -> None:
    """Makes an x or y axis (`axes.xaxis`) logarithmic, with plain numbers at 1, 2 and 5 of every power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def svg(figure: Any) -> str:
    """The figure as an SVG element, in the colours of the page that it is put on."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def picture(figure: Any, title: str) -> Picture:
    """The figure on white, with its title as the caption."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return Picture(Image.open(buffer).convert("RGB"), title)


@cache
def _family(path: Path) -> str:
    """The name by which matplotlib finds the font in a file: its list of fonts may be older than the file."""
    from matplotlib.font_manager import FontProperties, fontManager

    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()
