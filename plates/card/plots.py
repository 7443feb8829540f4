"""The card's plots, by split: where boxes are, their sizes, shapes, tilts and light, and subsets and provinces."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from plates.card.numbers import by_split, split_of
from plates.ccpd import provinces
from plates.ccpd.geometry import edge_angles
from plates.columns import BOX, CORNERS, SPLITS
from plates.pages import plots as canvas
from plates.pages.fonts import chinese_font
from plates.pages.pictures import Picture
from plates.splits.shift import features

COLOURS = dict(zip((*SPLITS, "all"), (*canvas.COLOURS[:3], canvas.COLOURS[0]), strict=True))
GRID = (58, 36)
WIDTH, HEIGHT = 3.5, 2.9
PIXELS = int(WIDTH * canvas.DPI)
MOST = 40
"""Most subsets or provinces to draw, the most frequent ones; the tables have all."""

SPREADS = {
    "Size": ("share_of_image", "share of the image", True),
    "Shape": ("aspect", "width / height", False),
    "Tilt": ("angle", "lower edge, degrees", False),
    "Brightness": ("brightness", "brightness, 0 to 255", False),
    "Blurriness": ("blurriness", "variance of the Laplacian + 1", True),
}


def svgs(boxes: pd.DataFrame, splits: pd.DataFrame | None = None) -> list[str]:
    """The plots as SVG elements, for a page."""
    with canvas.text_as_svg():
        return [canvas.svg(figure) for _, figure in figures(boxes, splits, provinces.LABELS)]


def pictures(boxes: pd.DataFrame, splits: pd.DataFrame | None = None) -> list[Picture]:
    """The plots as pictures, their titles as captions."""
    labels = provinces.NAMES if chinese_font() is None else provinces.LABELS
    with canvas.text_as_pixels():
        return [canvas.picture(figure, title) for title, figure in figures(boxes, splits, labels)]


def figures(
    boxes: pd.DataFrame, splits: pd.DataFrame | None, province_labels: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """Title and figure of each plot. Plots without a value (no brightness, no corners) are left out."""
    images = boxes.drop_duplicates("path")
    subsets = by_split(images["subset"], split_of(images, splits))
    boxes = boxes[boxes["class"].notna()].reset_index(drop=True)
    split = split_of(boxes, splits)
    if len(boxes):
        yield "Where the boxes are", heat_maps("Where the boxes are", boxes, split)
    measured = features(boxes)
    corners = boxes[CORNERS].to_numpy(np.float64, na_value=np.nan).reshape(-1, 4, 2)
    measured["angle"] = edge_angles(corners)[0]
    for title, (column, label, logarithmic) in SPREADS.items():
        values = measured[column].astype("float64") + (column == "blurriness")
        usable = np.isfinite(values) & ((values > 0) | (not logarithmic))
        if usable.any():
            yield title, spread(title, values[usable], split[usable], label, logarithmic)
    if subsets:
        yield "Subsets", shares("Subsets", subsets, {}, "images")
    if counts := by_split(boxes["province"], split):
        yield "Provinces", shares("Provinces", counts, province_labels, "boxes")


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


def heat_maps(title: str, boxes: pd.DataFrame, split: pd.Series) -> Any:
    """The share of a split's boxes that cover each part of the image: one map for each, all in the same colours."""
    from matplotlib.colors import LinearSegmentedColormap

    numbers = boxes[[*BOX, "width", "height"]].astype("float64")
    drawable = boxes[np.isfinite(numbers).all(axis=1) & (numbers[["width", "height"]] > 0).all(axis=1)]
    names = ["all"] if (split == "all").any() else list(SPLITS)
    of_split = {name: drawable[split[drawable.index] == name] for name in names}
    maps = {name: coverage(rows) / max(len(rows), 1) for name, rows in of_split.items()}
    most = max(shade.max() for shade in maps.values()) or 1
    tall = float((drawable["height"] / drawable["width"]).median()) if len(drawable) else 1
    several = len(names) > 1
    size = (1.3 + 2.3 * len(names), 1.1 + 1.9 * tall) if several else (WIDTH, HEIGHT)
    figure, axes = canvas.panels(title, *size, len(names))
    shades = LinearSegmentedColormap.from_list("shades", [f"{COLOURS['all']}00", f"{COLOURS['all']}ff"])
    for axis, (name, shade) in zip(axes, maps.items(), strict=True):
        drawn = axis.imshow(shade, extent=(0, 1, 1, 0), aspect=tall, cmap=shades, vmin=0, vmax=most)
        axis.spines[:].set_visible(True)
        axis.set(xlabel="x / width", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axis.set_title(f"{name}: {len(of_split[name]):,} boxes" if several else f"{len(drawable):,} boxes", fontsize=10)
    axes[0].set_ylabel("y / height")
    bar = figure.colorbar(drawn, ax=axes, label="share of the split's boxes" if several else "share of the boxes")
    bar.ax.set_facecolor("none")
    return figure


def spread(title: str, values: pd.Series, split: pd.Series, label: str, logarithmic: bool) -> Any:
    """The distribution of `values` in each split, as outlines over common bins, the outermost with all beyond."""
    figure, (axis,) = canvas.panels(title, WIDTH, HEIGHT)
    edges = _bins(values, logarithmic)
    names = [name for name in (*SPLITS, "all") if (split == name).any()]
    for name in names:
        counts, _ = np.histogram(values[split == name].clip(edges[0], edges[-1]), edges)
        share = counts / max(counts.sum(), 1)
        axis.stairs(share, edges, color=COLOURS[name], linewidth=1.6, label=name)
        if name in ("train", "all"):
            axis.stairs(share, edges, color=COLOURS[name], fill=True, alpha=0.12)
    if logarithmic:
        canvas.logarithmic(axis.xaxis)
    axis.set(xlabel=label, ylabel="share of boxes", ylim=(0, None))
    _legend(figure, axis, names)
    return figure


def shares(title: str, counts: Mapping[str, Mapping[str, int]], labels: Mapping[str, str], what: str) -> Any:
    """The share that each value has of each split's boxes or images (`what`), as points on a logarithmic scale.

    `counts` is value -> split -> count. A value without a point is not in that split.
    """
    shown = {value: labels.get(value, value) for value in list(counts)[:MOST]}
    names = [name for name in (*SPLITS, "all") if any(of_value.get(name) for of_value in counts.values())]
    longest = max(len(label) for label in shown.values())
    figure, (axis,) = canvas.panels(title, max(WIDTH, 1 + 0.23 * len(shown)), HEIGHT - 0.4 + 0.08 * longest)
    least = 1.0
    for position, name in enumerate(names):
        total = sum(of_value.get(name, 0) for of_value in counts.values())
        share = np.array([counts[value].get(name, 0) for value in shown]) / total
        at = np.flatnonzero(share)
        beside = (position - (len(names) - 1) / 2) * 0.22
        axis.plot(at + beside, share[at], "o", markersize=4.5, color=COLOURS[name], label=name)
        least = min(least, *share[at])
    axis.set_ylim(10 ** math.floor(math.log10(0.8 * least)), 1.3)
    canvas.logarithmic(axis.yaxis, lambda value: f"{100 * value:g}%")
    axis.grid(color=canvas.GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_xlim(-0.6, len(shown) - 0.4)
    axis.set_xticks(range(len(shown)), list(shown.values()), rotation=90)
    axis.set_ylabel(f"share of {what}")
    if len(shown) < len(counts):
        axis.set_xlabel(f"the {len(shown)} most frequent of {len(counts):,}")
    _legend(figure, axis, names)
    return figure


def _bins(values: pd.Series, logarithmic: bool) -> np.ndarray:
    low, high = values.quantile([0.001, 0.999])
    if logarithmic:
        return np.geomspace(low, high, 31) if high > low else np.geomspace(low / 2, high * 2, 31)
    return np.linspace(low, high, 31) if high > low else np.linspace(low - 1, high + 1, 31)


def _legend(figure: Any, axis: Any, names: list[str]) -> None:
    if len(names) > 1:
        handles, said = axis.get_legend_handles_labels()
        figure.legend(handles, said, loc="outside lower center", ncols=len(names), frameon=False)
