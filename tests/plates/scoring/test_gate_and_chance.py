"""The gate against chance: two trainings that differ by the seed alone, and a model that lost something."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plates.lineage.gate import Rule, decide
from plates.scoring.compare import compare
from plates.settings.params import GateParams

PHOTOGRAPHS, DARK = 400, 100
SIZE = (240, 384)
RULE = Rule("mAP", 0.05, GateParams().margin)
LOOSER = 0.0585


def truth(random: np.random.Generator) -> pd.DataFrame:
    """Photographs of one plate each, the first hundred of them dark."""
    left, top = random.uniform(20, 400, PHOTOGRAPHS), random.uniform(20, 800, PHOTOGRAPHS)
    width = random.uniform(80, 240, PHOTOGRAPHS)
    rows = {"image_id": np.arange(1, PHOTOGRAPHS + 1), "path": [f"{n}.jpg" for n in range(PHOTOGRAPHS)]}
    corners = {f"{corner}_{axis}": np.nan for corner in ("rb", "lb", "lt", "rt") for axis in "xy"}
    return pd.DataFrame(
        {
            **rows,
            **{
                "subset": "base",
                "width": 720,
                "height": 1160,
                "class": "plate",
                "province": "皖",
                "plate_type": "blue",
            },
            **{"xmin": left, "ymin": top, "xmax": left + width, "ymax": top + width / 3},
            **{"plate": rows["path"], "blurriness": 50, "brightness": np.where(np.arange(PHOTOGRAPHS) < DARK, 20, 120)},
            **corners,
            **{f"hard_{side}": random.normal(0, 1, PHOTOGRAPHS) for side in ("xmin", "ymin", "xmax", "ymax")},
        }
    )


def detections(truth: pd.DataFrame, random: np.random.Generator, file: Path, dark_spread: float = 0.05) -> Path:
    """What a detector finds that misplaces each side by some share of the plate, and more in the dark.

    Half of the variance is the photograph's own: what is hard for one detector is hard for another.
    """
    size = (truth["xmax"] - truth["xmin"]).to_numpy()
    spread = np.where(truth["brightness"] < 50, dark_spread, 0.05)
    moved = {}
    for side in ("xmin", "ymin", "xmax", "ymax"):
        noise = (truth[f"hard_{side}"] + random.normal(0, 1, len(truth))) / 2**0.5
        moved[side] = truth[side] + noise * spread * size * (1 if side[0] == "x" else 1 / 3)
    table = pd.DataFrame(
        {"image_id": truth["image_id"], "class": 1, "score": random.uniform(0.3, 1, len(truth)), **moved}
    )
    table.to_parquet(file, index=False)
    return file


def promoted(seed: int, folder: Path, dark_spread: float = 0.05) -> tuple[bool, float]:
    """Whether the gate lets the second of two detectors through, and what it lost in the dark."""
    random = np.random.default_rng(seed)
    expected = truth(random)
    first = detections(expected, random, folder / "first.parquet")
    second = detections(expected, random, folder / "second.parquet", dark_spread)
    table = compare(first, second, expected, {1: "plate"}, SIZE, 100, draws=200)
    dark = table[(table["slice"] == "under 50") & (table["figure"] == "mAP")]
    return decide({"mAP": 0.6}, table, RULE, best="best", agrees=True).promoted, -dark["difference"].item()


@pytest.mark.parametrize("pairs", [20, pytest.param(200, marks=pytest.mark.long)])
def test_two_seeds_are_seldom_told_apart(pairs: int, tmp_path: Path) -> None:
    passed = [promoted(seed, tmp_path)[0] for seed in range(pairs)]
    assert np.mean(passed) >= 0.95


@pytest.mark.parametrize("pairs", [20, pytest.param(100, marks=pytest.mark.long)])
def test_a_loss_in_one_slice_of_a_hundred_photographs_is_caught(pairs: int, tmp_path: Path) -> None:
    """Boxes in the dark that are a little looser, so that the mAP there is lower by about 0.05."""
    passed, lost = zip(*(promoted(seed, tmp_path, dark_spread=LOOSER) for seed in range(pairs)), strict=True)
    assert 0.045 <= np.mean(lost) <= 0.06
    assert np.mean(passed) <= 0.2
