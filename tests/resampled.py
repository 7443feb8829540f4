"""Test sets drawn from real ones: what two trainings of the default run, seeds 0 and 1, find on its 158 test scenes.

`plates/scoring/runs` holds the truth and the ten best detections of each photograph.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from plates.scoring.tally import Tally, groups

RUNS = Path(__file__).parent / "plates" / "scoring" / "runs"
SEEDS = (0, 1)
LABELS = {1: "license_plate"}
SIZE = (384, 240)


def truth() -> pd.DataFrame:
    """154 photographs of 140 plates, one on each, and 4 without a plate."""
    return pd.read_parquet(RUNS / "truth.parquet")


def detections(seed: int) -> pd.DataFrame:
    """What the run with this seed finds."""
    return pd.read_parquet(RUNS / f"seed{seed}.parquet")


def drawn(table: pd.DataFrame, photographs: np.ndarray) -> pd.DataFrame:
    """The rows of `photographs` (ids), as often as each is named, under the ids 1, 2, ... and paths to fit."""
    new = pd.DataFrame({"image_id": photographs, "new": np.arange(1, len(photographs) + 1)})
    rows = new.merge(table, on="image_id", how="inner")
    rows["image_id"] = rows.pop("new")
    return rows.assign(path="ccpd_base/" + rows["image_id"].astype(str) + ".jpg") if "path" in table else rows


def plates(table: pd.DataFrame, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """As many plates as `table` has, drawn with replacement: the photographs of all, and the place of each one's plate.

    A plate that is drawn twice counts as two; a photograph without a plate is drawn as one.
    """
    photographs = [rows["image_id"].to_numpy() for _, rows in table.groupby(groups(table))]
    picked = [photographs[place] for place in random.integers(len(photographs), size=len(photographs))]
    return np.concatenate(picked), np.repeat(np.arange(len(picked)), [len(one) for one in picked])


def tally(found: pd.DataFrame, expected: pd.DataFrame) -> Tally:
    """Of detections on the photographs of `expected`."""
    return Tally.of([found], expected, LABELS, 100)
