"""Two detectors where there is little to compare: what was measured is a figure, what was not is absent."""

import pandas as pd
import pytest
from resampled import LABELS, SIZE, detections, truth

from plates.errors import UserError
from plates.scoring.compare import compare


def whole(first: pd.DataFrame, second: pd.DataFrame, expected: pd.DataFrame, labels=LABELS) -> pd.Series:
    """The overall mAP."""
    rows = compare([first], [second], expected, labels, SIZE, 100, draws=20)
    return rows[(rows["dimension"] == "all") & (rows["figure"] == "mAP")].iloc[0]


def test_a_detector_that_finds_nothing_has_found_nothing() -> None:
    found = detections(0)
    row = whole(found.iloc[:0], found, truth())
    assert row["first"] == 0.0
    assert row["second"] > 0.0
    assert row["difference"] == row["second"]


def test_a_class_without_truth_takes_no_part() -> None:
    found = detections(0)
    alone = whole(found, found, truth())
    beside = whole(found, found, truth(), {**LABELS, 2: "another"})
    assert beside["second"] == alone["second"]


def test_of_one_photograph_there_is_a_figure_and_no_interval() -> None:
    expected = truth().dropna(subset="class").head(1)
    found = detections(0)
    row = whole(*[found[found["image_id"].isin(expected["image_id"])]] * 2, expected)
    assert row["difference"] == 0.0
    assert pd.isna(row["low"])


def test_without_a_plate_nothing_is_compared() -> None:
    expected = truth()
    with pytest.raises(UserError, match="photographs has a plate to compare on"):
        whole(detections(0), detections(0), expected[expected["class"].isna()])
