"""The page of suspects: their crops, worst first, and the lines that would fix them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from plates.columns import BOX
from plates.efficientdet.evaluation.report import pictures
from plates.pages import page
from plates.pages.drawing import GREEN, ORANGE, Marks
from plates.pages.pictures import Picture
from plates.remote import Place
from plates.suspects.decisions import FILE, FIX
from plates.suspects.ranking import FOUND, KINDS

MOST = 120
"""Crops on the page."""


def write(
    path: Path,
    suspects: pd.DataFrame,
    truth: pd.DataFrame,
    file: Callable[[str, str], Place],
    folds: int,
    decided: int,
) -> list[Picture]:
    """Writes the page, and returns its crops.

    Args:
        path: of the page.
        suspects: of `plates.suspects.ranking.suspects`.
        truth: the table that was judged.
        file: gives the photograph of a path and a SHA-256.
        folds: of the trainings; 0: there were none.
        decided: photographs that people decided about, which are left out.
    """
    shown = suspects.head(MOST)
    drawn = [_crop(row, truth, file) for _, row in shown.iterrows()]
    kinds = shown["kind"].tolist()
    groups = [
        (kind, said, [picture for picture, of in zip(drawn, kinds, strict=True) if of == kind])
        for kind, said in KINDS.items()
        if kind in kinds
    ]
    photographs = truth["image_id"].nunique()
    page.write(
        path,
        __package__,
        "page.html.j2",
        title="Labels that are likely wrong",
        counts=[
            ("photographs", f"{photographs:,}"),
            ("suspects", f"{len(suspects):,}"),
            ("shown", f"{len(shown):,}"),
            ("decided", f"{decided:,}"),
        ],
        folds=folds,
        groups=groups,
        file=FILE,
        lines="\n".join(proposals(suspects)),
    )
    return drawn


def proposals(suspects: pd.DataFrame) -> list[str]:
    """Lines for the decisions file that fix each photograph with one suspect as both trainings propose."""
    once = suspects[~suspects["path"].duplicated(keep=False)]
    boxes = once[FOUND].round().astype(int).to_numpy()
    return [
        f"{_quoted(name)},{FIX},{','.join(map(str, box))}"
        for name, box in zip(once["path"], boxes.tolist(), strict=True)
    ]


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"\n') else path


def _crop(row: pd.Series, truth: pd.DataFrame, file: Callable[[str, str], Place]) -> Picture:
    sha256 = truth.loc[truth["image_id"] == row["image_id"], "sha256"].iloc[0]
    label, plate = (np.array([row[names]], float) for names in (BOX, FOUND))
    marks = [Marks(plate, ORANGE, [f"{row['doubt']:.2f}"])]
    if np.isfinite(label).all():
        marks.insert(0, Marks(label, GREEN))
    return pictures.near(file(row["path"], sha256), marks, row["path"])
