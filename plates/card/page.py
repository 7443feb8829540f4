"""Puts the card together: tables, plots and contact sheets on one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plates.card import plots, tables
from plates.card.numbers import describe
from plates.card.pictures import from_rows
from plates.ccpd import provinces
from plates.columns import SPLITS
from plates.pages import page
from plates.pages.pictures import Picture
from plates.remote import Place

SHOWN = 18
PER_REASON = 3


def write(
    path: Path,
    *,
    root: Place,
    boxes: pd.DataFrame,
    rejected: pd.DataFrame,
    splits: pd.DataFrame | None = None,
    meanings: Mapping[str, str] | None = None,
    findings: Sequence[str] = (),
    between_splits: pd.DataFrame | None = None,
    since_last: Sequence[Mapping[str, Any]] = (),
    augmented: Sequence[Picture] = (),
    title: str = "Dataset card",
    seed: int = 0,
) -> None:
    """Writes the card as one self-contained file; the same data gives the same bytes.

    `root` is the folder of the photographs; `rejected` has the rejected rows, with `broken`;
    `meanings` says what each expectation means; `findings` are sentences for the top, on what is wrong or unusual;
    `between_splits` is a table of `plates.splits.shift.between_splits`; `since_last` are rows of
    `plates.splits.shift.compare`, this delivery against the last one; `augmented` are training pictures as the network
    sees them. `seed` picks the photographs.
    """
    page.write(
        path,
        "plates.card",
        "page.html.j2",
        title=title,
        numbers=describe(boxes, rejected, splits),
        findings=list(findings),
        plots=plots.svgs(boxes, splits),
        splits=[split for split in SPLITS if splits is not None and (splits["split"] == split).any()] or ["all"],
        between_splits=[] if between_splits is None else between_splits.to_dict("records"),
        since_last=list(since_last),
        heading=tables.heading,
        province_labels=provinces.LABELS,
        meanings=dict(meanings or {}),
        accepted_pictures=accepted(boxes, root, seed),
        rejected_pictures=set_aside(rejected, root),
        augmented_pictures=list(augmented),
    )


def accepted(boxes: pd.DataFrame, root: Place, seed: int = 0, count: int = SHOWN) -> list[Picture]:
    """`count` random accepted rows, as evenly over the subsets as possible."""
    rows = some_accepted(boxes, seed, count).sort_values("path")
    texts = [row["plate"] if pd.notna(row["plate"]) else row["class"] for _, row in rows.iterrows()]
    said = ["no plate" if pd.isna(text) else str(text) for text in texts]
    return from_rows(rows, root, [f"{subset}, {text}" for subset, text in zip(rows["subset"], said, strict=True)])


def some_accepted(boxes: pd.DataFrame, seed: int, count: int) -> pd.DataFrame:
    """The rows that `accepted` shows."""
    shuffled = boxes.iloc[np.random.default_rng(seed).permutation(len(boxes))].drop_duplicates("path")
    turn = shuffled.groupby("subset", dropna=False).cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")][:count]


def set_aside(rejected: pd.DataFrame, root: Place, per_reason: int = PER_REASON) -> list[Picture]:
    """The first rejected rows of each combination of broken expectations, with their names as the caption."""
    rows = some_set_aside(rejected, per_reason)
    return from_rows(rows, root, [", ".join(names) for names in rows["broken"]])


def some_set_aside(rejected: pd.DataFrame, per_reason: int) -> pd.DataFrame:
    """The rows that `set_aside` shows."""
    reasons = rejected["broken"].map(lambda names: ", ".join(names)).astype("str")
    return rejected[reasons.groupby(reasons).cumcount() < per_reason]
