"""Photographs with the true box and the detected one drawn in."""

from pathlib import Path

import pandas as pd

from plates.columns import BOX
from plates.pages.drawing import GREEN, ORANGE, Marks
from plates.pages.pictures import Picture, from_file

HEIGHT = 360


def extremes(outcomes: pd.DataFrame, count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The `count` worst and `count` best rows of `outcomes` (one row an image, columns `iou` and `score`).

    Worst are the missed and badly placed plates, the surest mistakes first; best the highest IoU.
    """
    ranked = outcomes.sort_values(["iou", "score"], ascending=[True, False], kind="stable")
    return ranked.head(count), ranked.tail(count).iloc[::-1]


def draw(photograph: Path, truth: pd.DataFrame, found: pd.DataFrame, caption: str) -> Picture:
    """Draws `truth` in green and `found` (with `score`) in orange; boxes in pixels of the original image."""
    scores = [f"{score:.2f}" for score in found["score"]]
    marks = [Marks(truth[BOX].to_numpy(float), GREEN), Marks(found[BOX].to_numpy(float), ORANGE, scores)]
    return from_file(photograph, marks, caption, HEIGHT)
