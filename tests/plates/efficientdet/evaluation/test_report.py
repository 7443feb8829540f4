"""What the report advises, and the pictures that it shows enlarged."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plates.columns import BOX
from plates.efficientdet.evaluation.report import pictures
from plates.efficientdet.evaluation.report.advice import advice


def evaluation(map50: float, map75: float, kind: str, gain: float) -> dict:
    return {"mAP50": map50, "mAP75": map75, "errors": {"kinds": [{"kind": kind, "gain": gain}]}}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (evaluation(0, 0, "missed", 0.9), "why-is-my-map-low"),
        (evaluation(0.8, 0.4, "missed", 0.15), "missed.*0.150 of mAP50"),
        (evaluation(0.8, 0.4, "background", 0.02), "without a plate"),
        (evaluation(0.99, 0.6, "missed", 0.005), "tighter"),
        (evaluation(0.99, 0.97, "missed", 0.005), "Nothing stands out"),
    ],
)
def test_advice_is_about_what_costs_most(metrics: dict, said: str) -> None:
    assert re.search(said, advice(metrics))


@pytest.mark.parametrize(("height", "near"), [(20, True), (300, False)])
def test_a_plate_too_small_to_see_is_shown_from_near(tmp_path: Path, height: int, near: bool) -> None:
    photograph = tmp_path / "a.jpg"
    pixels = np.zeros((1160, 720, 3), np.uint8)
    pixels[600 : 600 + height, 300 : 300 + 2 * height] = 255
    Image.fromarray(pixels).save(photograph, quality=95)
    box = [300.0, 600.0, 300.0 + 2 * height, 600.0 + height]
    truth = pd.DataFrame([box], columns=BOX).assign(width=720, height=1160)
    found = pd.DataFrame([box], columns=BOX).assign(score=0.5)
    picture = pictures.draw(photograph, truth, found, "base")
    white = (np.asarray(picture.image).min(axis=2) > 200).mean()
    assert ("enlarged" in picture.caption) == near
    assert 0.05 < white < 0.5  # the plate is a part of the picture that can be seen
