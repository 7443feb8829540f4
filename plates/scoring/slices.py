"""Photographs divided by what may make a plate hard to find, such as its height, its tilt and the light."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from plates.ccpd.geometry import tilt
from plates.ccpd.provinces import LABELS
from plates.columns import CORNERS

# Plate height in pixels of the network's input, brightness and contrast of 255, sharpness as a Laplacian variance:
# CCPD's blur subset ends at 7, and sharp plates begin at 100.
EDGES: dict[str, tuple[tuple[float, ...], str]] = {
    "plate height": ((16, 24, 32, 48), " px"),
    "tilt": ((5, 15, 30), "°"),
    "brightness": ((50, 100, 150), ""),
    "contrast": ((30, 60), ""),
    "sharpness": ((5, 20, 100), ""),
}
FREQUENT = 0.05  # share of the photographs from which on a province is a slice of its own
OTHERS = "others"


def slices(truth: pd.DataFrame, image_size: Sequence[int], looks: pd.DataFrame | None = None) -> pd.DataFrame:
    """Which slice each photograph is in, for every dimension in which this data's photographs differ.

    Args:
        truth: a table of `plates.scoring.truth`. Of several plates in a photograph the largest decides.
        image_size: (height, width) of the network's input.
        looks: brightness, contrast and sharpness of the photographs by image_id, as measured on the pixels, where the
            labels do not say them.

    Returns:
        A row per photograph, indexed by image_id in ascending order, and a categorical column a dimension; null where
        the photograph is in no slice, such as one without a plate.
    """
    area = (truth["xmax"] - truth["xmin"]) * (truth["ymax"] - truth["ymin"])
    largest = truth.assign(area=area).sort_values(["image_id", "area"], ascending=[True, False], kind="stable")
    rows = largest.drop_duplicates("image_id").set_index("image_id")
    scale = np.minimum(image_size[0] / rows["height"], image_size[1] / rows["width"])
    numbers = {
        "plate height": (rows["ymax"] - rows["ymin"]) * scale,
        "tilt": _most_tilted(rows),
        "brightness": rows["brightness"],
        "sharpness": rows["blurriness"],
        **({name: looks[name].reindex(rows.index) for name in looks} if looks is not None else {}),
    }
    columns = {"subset": rows["subset"].replace("", None).astype("category")}
    columns |= {name: _binned(column, *EDGES[name]) for name, column in numbers.items()}
    columns |= {
        "province": _frequent(rows["province"].replace(LABELS)),
        "plate type": rows["plate_type"].astype("category"),
        "position": _position(rows),
    }
    telling = {name: column for name, column in columns.items() if name == "subset" or column.nunique() > 1}
    return pd.DataFrame(telling)


def _most_tilted(rows: pd.DataFrame) -> pd.Series:
    """The larger of the two tilts, in degrees; null without corners."""
    known = rows[CORNERS].notna().all(axis=1)
    corners = rows.loc[known, CORNERS].to_numpy(float).reshape(-1, 4, 2)
    return pd.Series(tilt(corners).max(axis=1), rows.index[known]).reindex(rows.index)


def _binned(numbers: pd.Series, edges: tuple[float, ...], unit: str) -> pd.Series:
    between = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges)]
    names = [f"under {edges[0]:g}{unit}", *between, f"{edges[-1]:g}{unit} and more"]
    return pd.cut(numbers.astype(float), [-np.inf, *edges, np.inf], right=False, labels=names)


def _frequent(words: pd.Series) -> pd.Series:
    """The frequent words, and one for all others."""
    share = words.map(words.value_counts(normalize=True)).astype(float)
    return words.where((share >= FREQUENT) | words.isna(), OTHERS).astype("category")


def _position(rows: pd.DataFrame) -> pd.Series:
    """In which third of the photograph, down and across, the centre of the plate is."""
    down = _third(rows, "y", "height", ["top", "middle", "bottom"])
    across = _third(rows, "x", "width", ["left", "centre", "right"])
    return (down + " " + across).astype("category")


def _third(rows: pd.DataFrame, axis: str, size: str, names: list[str]) -> pd.Series:
    centre = (rows[f"{axis}min"] + rows[f"{axis}max"]) / 2 / rows[size]
    return pd.cut(centre.astype(float), [-np.inf, 1 / 3, 2 / 3, np.inf], labels=names).astype(object)
