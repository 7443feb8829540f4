"""Corners against the labelled ones: what fits, what is shifted, what was missed, and what has nothing to fit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.ccpd.geometry import hull
from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation.bootstrap import Draws
from plates.lineage.gate import Rule, decide
from plates.scoring.by_slice import paired
from plates.scoring.corners import fit, labelled, overlap
from plates.scoring.slices import slices
from plates.scoring.tally import Tally, groups

LABELS = {1: "plate", 2: "sign"}
SIZE = (384, 240)
PLATES = np.array(
    [
        [[110, 52], [12, 48], [10, 11], [108, 15]],
        [[310, 250], [200, 230], [203, 190], [313, 212]],
        [[81, 90], [52, 100], [50, 91], [79, 81]],
    ],
    float,
)


def truth(corners: np.ndarray = PLATES) -> pd.DataFrame:
    """One plate on each photograph, its box around the corners."""
    rows = pd.DataFrame(hull(corners), columns=BOX)
    rows[CORNERS] = corners.reshape(-1, 8)
    known = {"width": 720, "height": 1160, "subset": "base", "class": "plate", "brightness": 99.0, "blurriness": 99.0}
    rows = rows.assign(image_id=np.arange(len(rows)) + 1, **known, plate_type="blue", province="皖")
    return rows.assign(path=[f"{image}.jpg" for image in rows["image_id"]], plate=rows["image_id"].astype(str))


def found(corners: np.ndarray = PLATES) -> pd.DataFrame:
    """Each plate's box, with these corners."""
    rows = truth()[["image_id", *BOX]].assign(score=0.9, **{"class": 1})
    rows[CORNERS] = corners.reshape(-1, 8)
    return rows


def corners_of(detections: pd.DataFrame, expected: pd.DataFrame | None = None, most: int = 100) -> pd.DataFrame:
    tally = Tally.of([detections], truth() if expected is None else expected, LABELS, most)
    assert tally.corners is not None
    return tally.corners


def test_perfect_corners_fit_perfectly() -> None:
    fitted = corners_of(found())
    assert fitted["iou"].tolist() == [1.0] * 3
    assert fitted["error"].tolist() == [0.0] * 3


@settings(max_examples=30)
@given(st.floats(-30, 30), st.floats(-30, 30))
def test_corners_shifted_by_a_distance_are_off_by_it(right: float, down: float) -> None:
    fitted = fit(labelled(truth(), LABELS), found(PLATES + np.array([right, down])), 100)
    assert len(fitted) == 3
    np.testing.assert_allclose(fitted["error"], np.hypot(right, down), atol=1e-9)
    assert (fitted["iou"] <= 1).all()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 500), st.floats(1, 500))
def test_the_overlap_of_shifted_rectangles_is_known(right: float, down: float, width: float, height: float) -> None:
    """Where both are upright: shared over the rest of two equal areas."""
    plate = np.array([[width, height], [0, height], [0, 0], [width, 0]])
    shared = (1 - right) * (1 - down)
    moved = plate + np.array([right * width, down * height])
    assert overlap(plate, moved) == pytest.approx(shared / (2 - shared), abs=0.01)
    assert overlap(moved, plate) == overlap(plate, moved)


def test_corners_in_another_order_are_wrong_though_they_cover_the_plate() -> None:
    fitted = corners_of(found(np.roll(PLATES, 2, axis=1)))
    assert fitted["iou"].min() > 0.99
    assert fitted["error"].min() > 20


def test_crossed_corners_cover_less() -> None:
    assert corners_of(found(PLATES[:, [0, 2, 1, 3]]))["iou"].max() < 0.7


def test_a_missed_plate_is_no_overlap_and_no_error() -> None:
    far = found()
    far.loc[0, BOX] += 500
    for detections in (far, found().drop(0)):
        fitted = corners_of(detections)
        assert fitted["iou"].tolist() == [0.0, 1.0, 1.0]
        assert fitted["error"].isna().tolist() == [True, False, False]


def test_the_best_score_on_the_plate_counts_not_the_best_corners() -> None:
    worse = found(PLATES + 10).assign(score=0.95)
    aside = found(PLATES + 99).assign(score=0.99)
    aside[BOX] += 500
    sign = found(PLATES + 50).assign(score=0.97, **{"class": 2})
    both = pd.concat([found(), worse, aside, sign], ignore_index=True)
    assert corners_of(both)["error"].tolist() == pytest.approx([np.hypot(10, 10)] * 3)
    assert corners_of(both, most=1)["iou"].tolist() == [0.0] * 3  # the one that counts is beside the plate


def test_corners_that_are_no_numbers_are_none() -> None:
    wrong = PLATES.copy()
    wrong[0, 2, 0], wrong[1, 1, 1] = np.nan, np.inf
    assert corners_of(found(wrong))["iou"].tolist() == [0.0, 0.0, 1.0]


def test_plates_without_usable_corners_and_regions_to_ignore_are_not_scored() -> None:
    labels = truth(np.concatenate([PLATES, PLATES[:1, ::-1]]))  # the last goes the other way round
    labels.loc[0, CORNERS[3]] = np.nan
    labels = labels.assign(iscrowd=[False, True, False, False])
    assert corners_of(found(), labels)["image_id"].tolist() == [3]


def test_a_detector_without_corners_has_no_figure_and_one_that_finds_nothing_misses_all() -> None:
    plain = found().drop(columns=CORNERS)
    for detections in (plain, plain.assign(**dict.fromkeys(CORNERS))):
        tally = Tally.of([detections], truth(), LABELS, 100)
        assert tally.corners is None
        assert "corner_iou" not in tally.draws(Draws.of(groups(truth()), 5))
    nothing = Tally.of([], truth(), LABELS, 100, finds_corners=True)
    assert nothing.corners is not None
    assert nothing.corners["iou"].tolist() == [0.0] * 3


def test_two_detectors_are_compared_by_corners_if_both_find_them() -> None:
    table = truth()
    exact, shifted, plain = (
        Tally.of([one], table, LABELS, 100) for one in (found(), found(PLATES + 5), found().drop(columns=CORNERS))
    )
    parts, draws = slices(table, SIZE), Draws.of(groups(table), 20)
    rows = paired(shifted, exact, parts, draws).query("dimension == 'all'").set_index("figure")
    assert shifted.corners is not None
    assert rows.loc["corner_iou", "second"] == 1.0
    assert rows.loc["corner_iou", "first"] == pytest.approx(shifted.corners["iou"].mean())
    lost = paired(exact, shifted, parts, draws)
    assert not decide({"corner_iou": 0.8}, lost, Rule("corner_iou", 0.1, 0.01), best="it", agrees=True).promoted
    assert "corner_iou" not in set(paired(plain, exact, parts, draws)["figure"])
