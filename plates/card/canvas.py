"""What the plots are drawn on: matplotlib figures without pyplot, and their SVG and PNG."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from plates.card.fonts import chinese_font

DPI = 100


@contextmanager
def text_as_svg() -> Iterator[None]:
    """For figures that become SVG: letters are left to the reader's fonts, and the same figure gives the same bytes
    on every machine.
    """
    import matplotlib

    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "plates", "font.family": ["DejaVu Sans"]}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


@contextmanager
def text_as_pixels() -> Iterator[None]:
    """For figures that become PNG: letters are drawn here, Chinese ones with the font that this machine has."""
    import matplotlib

    path = chinese_font()
    with matplotlib.rc_context({"font.family": ["DejaVu Sans", *([] if path is None else [_family(path)])]}):
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


def svg(figure: Any) -> str:
    """The figure as an SVG element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def image(figure: Any) -> Image.Image:
    """The figure on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return Image.open(buffer).convert("RGB")


@cache
def _family(path: Path) -> str:
    """The name by which matplotlib finds the font in a file: its list of fonts may be older than the file."""
    from matplotlib.font_manager import FontProperties, fontManager

    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()
