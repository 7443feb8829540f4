"""The card's plots as SVG: where the boxes are, and how their sizes, shapes, tilts and light are spread on
each side.
"""

import io
from typing import Any

import numpy as np
import pandas as pd

from ccpd.card.numbers import SIDES, sides_of
from ccpd.columns import CORNERS
from ccpd.geometry import edge_angles
from ccpd.shift import features

COLOURS = {"train": "#2563eb", "val": "#f59e0b", "test": "#059669", "all": "#2563eb"}
GRID = (58, 36)


def plots(boxes: pd.DataFrame, splits: pd.DataFrame | None = None) -> dict[str, str]:
    """Title -> SVG. Plots without a value (no brightness, no corners) are left out."""
    boxes = boxes[boxes["class"].notna()].reset_index(drop=True)
    side = sides_of(boxes, splits)
    measured = features(boxes)
    corners = boxes[CORNERS].to_numpy(np.float64, na_value=np.nan).reshape(-1, 4, 2)
    measured["angle"] = edge_angles(corners)[0]
    spreads: dict[str, tuple[str, str, bool]] = {
        "Size": ("share_of_image", "share of the image", True),
        "Shape": ("aspect", "width / height", False),
        "Tilt": ("angle", "lower edge, degrees", False),
        "Brightness": ("brightness", "brightness, 0 to 255", False),
        "Sharpness": ("blurriness", "variance of the Laplacian + 1", True),
    }
    drawn = {"Where the boxes are": heat_map(boxes)} if len(boxes) else {}
    for title, (column, label, logarithmic) in spreads.items():
        values = measured[column].astype("float64") + (column == "blurriness")
        if values.notna().any():
            drawn[title] = spread(values, side, label, logarithmic)
    return drawn


def coverage(boxes: pd.DataFrame, grid: tuple[int, int] = GRID) -> np.ndarray:
    """How many boxes cover each cell of a grid [rows, columns] laid over the image."""
    rows, columns = grid
    span = boxes[["xmin", "xmax"]].to_numpy(np.float64) / boxes[["width"]].to_numpy(np.float64) * columns
    height = boxes[["ymin", "ymax"]].to_numpy(np.float64) / boxes[["height"]].to_numpy(np.float64) * rows
    left, right = (
        np.clip(np.floor(span[:, 0]), 0, columns).astype(int),
        np.clip(np.ceil(span[:, 1]), 0, columns).astype(int),
    )
    top, bottom = (
        np.clip(np.floor(height[:, 0]), 0, rows).astype(int),
        np.clip(np.ceil(height[:, 1]), 0, rows).astype(int),
    )
    edges = np.zeros((rows + 1, columns + 1), np.int64)
    for y, x, sign in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
        np.add.at(edges, (y, x), sign)
    return edges.cumsum(0).cumsum(1)[:-1, :-1]


def heat_map(boxes: pd.DataFrame) -> str:
    """The share of boxes that cover each part of the image."""
    figure, axis = _axes()
    shade = axis.imshow(
        coverage(boxes) / len(boxes), extent=(0, 1, 1, 0), aspect=1160 / 720, cmap="Blues", interpolation="nearest"
    )
    axis.set(xlabel="x / width", ylabel="y / height", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    figure.colorbar(shade, ax=axis, label="share of boxes", shrink=0.8)
    return _svg(figure)


def spread(values: pd.Series, side: pd.Series, label: str, logarithmic: bool) -> str:
    """The distribution of `values` on each side, as outlines over common bins; the 0.1% at either end is
    left out.
    """
    figure, axis = _axes()
    low, high = values.quantile([0.001, 0.999])
    low, high = (low, high) if high > low else (low * 0.9, high * 1.1 + 1)
    edges = np.geomspace(low, high, 31) if logarithmic else np.linspace(low, high, 31)
    for name in [name for name in (*SIDES, "all") if (side == name).any()]:
        counts, _ = np.histogram(values[side == name].dropna(), edges)
        axis.stairs(counts / max(counts.sum(), 1), edges, color=COLOURS[name], linewidth=1.6, label=name)
        if name in ("train", "all"):
            axis.stairs(counts / max(counts.sum(), 1), edges, color=COLOURS[name], fill=True, alpha=0.12)
    if logarithmic:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    axis.set(xlabel=label, ylabel="share of boxes", ylim=(0, None))
    return _svg(figure)


def _axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 3), layout="constrained", facecolor="none")
    axis = figure.subplots()
    axis.set_facecolor("none")
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _svg(figure: Any) -> str:
    """The figure as an SVG element; text stays text, and equal figures give equal bytes."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "plates"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
