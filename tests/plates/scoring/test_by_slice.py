"""Slices of photographs, where a model is worse than overall, and two models on the same photographs."""

import numpy as np
import pandas as pd
import pytest

from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation.bootstrap import Draws
from plates.scoring.by_slice import by_slice, paired, worst
from plates.scoring.slices import slices
from plates.scoring.tally import Tally, groups

LABELS = {1: "license_plate"}
SIZE = (512, 512)


def truth(count: int, **columns: object) -> pd.DataFrame:
    """One plate a photograph, 100 x 40 px at the left top, of `count` plates; blue, from Anhui, sharp and bright."""
    rows = pd.DataFrame({"image_id": np.arange(1, count + 1)})
    rows = rows.assign(path=[f"ccpd_base/{image}.jpg" for image in rows["image_id"]], subset="base")
    rows = rows.assign(
        width=720, height=1160, **{"class": "license_plate"}, xmin=10.0, ymin=10.0, xmax=110.0, ymax=50.0
    )
    rows[CORNERS] = [110.0, 50.0, 10.0, 50.0, 10.0, 10.0, 110.0, 10.0]
    rows = rows.assign(plate=[f"plate {image}" for image in rows["image_id"]], plate_type="blue", province="皖")
    return rows.assign(brightness=120.0, blurriness=200.0).assign(**columns)


def tally(table: pd.DataFrame, missed: set[int]) -> Tally:
    """Of a detection of every plate but those of the photographs that are missed."""
    rows = table.loc[~table["image_id"].isin(missed), ["image_id", *BOX]]
    return Tally.of([rows.assign(score=0.9, **{"class": 1})], table, LABELS, 100)


def test_each_photograph_is_in_the_slice_of_its_largest_plate() -> None:
    table = truth(4, brightness=[20.0, 120.0, 120.0, 160.0], blurriness=[3.0, 50.0, 200.0, 200.0])
    table.loc[3, ["xmin", "xmax", "ymin", "ymax"]] = [600.0, 700.0, 1000.0, 1110.0]
    small = table.iloc[[3]].assign(xmin=0.0, xmax=10.0, ymin=0.0, ymax=5.0)
    negative = table.iloc[[0]].assign(image_id=9, subset="np", **{"class": None}, plate=None, plate_type=None)
    negative[[*BOX, *CORNERS, "brightness", "blurriness"]] = np.nan
    parts = slices(pd.concat([small, table, negative]), SIZE)
    assert parts.index.tolist() == [1, 2, 3, 4, 9]
    assert parts["brightness"].tolist()[:4] == ["under 50", "100 to 150", "100 to 150", "150 and more"]
    assert parts["sharpness"].tolist()[:4] == ["under 5", "20 to 100", "100 and more", "100 and more"]
    # 40 and 110 px at 512 / 1160 are 17.7 and 48.6 px of the network's input.
    assert parts["plate height"].tolist()[:4] == ["16 to 24 px"] * 3 + ["48 px and more"]
    assert parts["position"].tolist()[:4] == ["top left"] * 3 + ["bottom right"]
    assert parts["subset"].tolist() == ["base"] * 4 + ["np"]
    assert parts.loc[9].drop("subset").isna().all()
    assert "plate type" not in parts  # all are blue
    assert "tilt" not in parts  # all are upright


def test_rare_provinces_are_one_slice() -> None:
    parts = slices(truth(40, province=["皖"] * 30 + ["沪"] * 8 + ["粤", "苏"]), SIZE)
    assert parts["province"].value_counts().to_dict() == {"皖 Anhui": 30, "沪 Shanghai": 8, "others": 2}


def test_pixels_are_measured_where_labels_say_nothing() -> None:
    table = truth(2, brightness=np.nan, blurriness=np.nan)
    looks = pd.DataFrame({"brightness": [10.0, 200.0], "contrast": [5.0, 70.0], "sharpness": [1.0, 1.0]}, index=[1, 2])
    parts = slices(table, SIZE, looks)
    assert parts["brightness"].tolist() == ["under 50", "150 and more"]
    assert parts["contrast"].tolist() == ["under 30", "60 and more"]
    assert "sharpness" not in parts


def test_a_slice_where_most_plates_are_missed_is_named() -> None:
    """40 of 200 plates are dark, and 30 of these are missed."""
    table = truth(200, brightness=[20.0] * 40 + [120.0] * 160)
    scored = by_slice(tally(table, set(range(1, 31))), slices(table, SIZE), Draws.of(groups(table), 200))
    assert scored.loc[scored["worse"], "slice"].tolist() == ["under 50"]
    dark = scored[scored["slice"] == "under 50"].iloc[0]
    assert dark["images"] == 40
    assert dark["low"] < dark["mAP"] < dark["high"] < scored["mAP"].iloc[0]
    assert worst(scored).startswith("Worst where brightness is under 50: mAP 0.2")


def test_chance_names_no_slice() -> None:
    """10% are missed at random, in ten slices of 20 samples: without regard to their number, 5 would be named."""
    random, named = np.random.default_rng(0), 0
    for _ in range(20):
        values = random.choice([20.0, 70.0, 120.0, 200.0], 300), random.choice([3.0, 10.0, 50.0, 200.0], 300)
        table = truth(300, brightness=values[0], blurriness=values[1])
        missed = set(random.choice(300, 30, replace=False) + 1)
        named += by_slice(tally(table, missed), slices(table, SIZE), Draws.of(groups(table), 200))["worse"].any()
    assert named <= 3


def test_one_photograph_has_figures_and_names_nothing() -> None:
    table = truth(1)
    scored = by_slice(tally(table, {1}), slices(table, SIZE), Draws.of(groups(table), 50))
    assert scored["mAP"].tolist() == [0.0, 0.0]
    assert not scored["worse"].any()
    assert worst(scored) == "No slice is worse than the whole by more than chance."


def test_two_models_that_miss_the_same_differ_by_nothing() -> None:
    table = truth(50)
    one = tally(table, {1, 2, 3})
    rows = paired(one, tally(table, {1, 2, 3}), slices(table, SIZE), Draws.of(groups(table), 100))
    assert (rows[["difference", "low", "high"]] == 0).all(axis=None)


def test_a_loss_in_one_slice_is_seen_where_pairs_show_it() -> None:
    table = truth(200, brightness=[20.0] * 50 + [120.0] * 150)
    old, new = tally(table, set(range(100, 120))), tally(table, {*range(1, 16), *range(100, 120)})
    rows = paired(old, new, slices(table, SIZE), Draws.of(groups(table), 300)).set_index(["slice", "figure"])
    dark, bright = rows.loc[("under 50", "mAP50")], rows.loc[("100 to 150", "mAP50")]
    assert dark["high"] < 0
    assert (bright["low"], bright["high"]) == (0, 0)
    assert rows.loc[("all", "ccpd_score"), "difference"] == pytest.approx(-15 / 200)
    assert dark["groups"] == 50


def test_photographs_of_a_plate_are_drawn_together_and_others_alone() -> None:
    table = truth(4, plate=["a", "a", None, None])
    keys = groups(table)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
