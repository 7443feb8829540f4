"""The result of looking at a file or folder, and what all kinds share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from plates.card import plots
from plates.card.numbers import describe
from plates.pages.pictures import Picture
from plates.pages.sheets import contact_sheet, flow


@dataclass(frozen=True)
class Inspection:
    """What was found, in sentences, and how to draw it."""

    lines: list[str]
    draw: Callable[[], Image.Image]


def sheet(labels: pd.DataFrame, pictures: list[Picture]) -> Image.Image:
    """The plots of a table of labels, and `pictures` under them."""
    shown = contact_sheet(pictures)
    drawn = [plot.image for plot in plots.pictures(labels)] if len(labels) else []
    return flow([*drawn, shown], width=max(4 * plots.PIXELS, shown.width))


def figures(labels: pd.DataFrame) -> list[str]:
    """What `describe` counts, in sentences."""
    if labels.empty:
        return ["no labels"]
    numbers = describe(labels, labels.iloc[:0].assign(broken=None))
    lines = [
        f"{numbers.images:,} images, {numbers.boxes:,} boxes, {numbers.negatives:,} images without a plate, "
        f"{numbers.plates:,} different plates",
        "subsets: " + ", ".join(f"{name} {sum(by.values()):,}" for name, by in numbers.subsets.items()),
    ]
    for axis in numbers.axes:
        if axis.name != "subset":
            lines.append(f"{axis.name}: " + ", ".join(f"{value.name} {value.boxes:,}" for value in axis.values))
    typical = numbers.splits[0].typical
    return [*lines, *(f"{said}: {value:.3g}" for said, value in typical.items() if value is not None)]


def captions(labels: pd.DataFrame) -> list[str]:
    """The subset and plate of each row, or the end of its path if no plate is known."""
    rows = zip(labels["path"], labels["subset"], labels["plate"], strict=True)
    return [path[-40:] if pd.isna(plate) else f"{subset} {plate}" for path, subset, plate in rows]


def spread(length: int, count: int) -> np.ndarray:
    """At most `count` positions below `length`, spread evenly."""
    return np.unique(np.linspace(0, length - 1, min(length, count)).astype(np.int64)) if length else np.array([], int)
