"""Pictures of the rows of a labels table, with their boxes and corners drawn in."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plates.columns import BOX, CORNERS
from plates.pages.drawing import GREEN, ORANGE, Marks
from plates.pages.pictures import Picture, from_file
from plates.pages.sheets import markdown
from plates.remote import Place


def marks(row: pd.Series) -> list[Marks]:
    """The corners of a row in orange, and its box in green."""
    box, corners = (row[columns].to_numpy(np.float64, na_value=np.nan) for columns in (BOX, CORNERS))
    return [Marks(corners.reshape(1, 4, 2), ORANGE), Marks(box[None], GREEN)]


def from_rows(rows: pd.DataFrame, root: Place, captions: Sequence[str]) -> list[Picture]:
    """Pictures of rows of a labels table, read from `root`, one caption each."""
    return [
        from_file(root / str(row["path"]), marks(row), caption)
        for (_, row), caption in zip(rows.iterrows(), captions, strict=True)
    ]


def of_files(paths: Sequence[str], root: Place, captions: Sequence[str]) -> list[Picture]:
    """Pictures of files under `root` as they are, without boxes."""
    return [from_file(root / path, caption=caption) for path, caption in zip(paths, captions, strict=True)]


def side_by_side(pairs: pd.DataFrame, root: Place, count: int = 6) -> str:
    """The first `count` pairs of near-duplicates as Markdown, each pair in a row.

    `pairs` has the columns `photograph`, `looks like` and `bits`.
    """
    shown = pairs.head(count)
    paths = [path for pair in zip(shown["photograph"], shown["looks like"], strict=True) for path in pair]
    captions = [text for bits in shown["bits"] for text in (f"{bits} bits differ", "from this")]
    return markdown(of_files(paths, root, captions), columns=4)
