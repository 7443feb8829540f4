"""What is unlike training is said, and chance is not."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import plates
from plates.serve.seen import COLUMNS, ENOUGH, FILE, Seen, drift, of_training

Boxes = dict[Path, tuple[float, float, float, float]]


def table(seed: int, brightness: float = 120.0, found: float = 0.98, count: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    made = pd.DataFrame(
        {
            "score": draw.beta(8, 2, count),
            "height": draw.normal(0.05, 0.01, count),
            "brightness": draw.normal(brightness, 20, count),
        }
    )
    made.loc[draw.random(count) > found, ["score", "height"]] = np.nan
    return made


def test_equal_kinds_are_no_drift_and_the_night_is() -> None:
    assert [drift(table(seed), table(seed + 100)) for seed in range(5)] == [[]] * 5
    (said,) = drift(table(0), table(1, brightness=60)) or []
    assert said.startswith("brightness: ")
    assert "in training" in said
    (said,) = drift(table(0), table(1, found=0.6)) or []
    assert said.startswith("photographs without a plate: ")
    assert drift(table(0), table(1, count=ENOUGH - 1)) is None
    assert drift(table(0, count=ENOUGH - 1), table(1)) is None


def test_training_is_measured_as_requests_are(exported: Path, toy_photographs: Boxes, tmp_path: Path) -> None:
    model = plates.load(exported)
    seen = Seen()
    for result in model.predict(list(toy_photographs)):
        seen.note(result, model.prepared(result.picture))
    rows = of_training(model, [*(file.read_bytes() for file in toy_photographs), b"text"])
    known = pd.DataFrame(rows, columns=list(COLUMNS))
    pd.testing.assert_frame_equal(known, seen.table(), rtol=1e-4)
    seen.write(tmp_path, "record")
    said = json.loads((tmp_path / FILE).read_text())
    assert (said["photographs"], said["drift"]) == (len(toy_photographs), None)
    assert said["brightness"][1] == pytest.approx(known["brightness"].median(), abs=0.01)
