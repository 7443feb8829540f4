import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.annotations import Verdict, validate
from checks.suites.delivery import Delivery
from checks.suites.measures import measure
from checks.suites.suite import Outcome
from plates.columns import BOX, CORNERS
from plates.errors import UserError


def broken_rows(labels: pd.DataFrame) -> dict[int, list[str]]:
    """The broken expectations of each rejected row, by the row's position in `labels`."""
    rejected = validate(labels.assign(blurriness=range(len(labels)))).rejected
    return {int(row["blurriness"]): sorted(row["broken"]) for _, row in rejected.iterrows()}


def warned(verdict: Verdict) -> list[Outcome]:
    """What does not hold and rejects nothing."""
    return [outcome for outcome in verdict.outcomes if outcome.severity == "warning" and not outcome.success]


def test_every_real_label_is_accepted(real_labels):
    verdict = validate(real_labels)

    assert len(verdict.accepted) > 51_710
    assert verdict.rejected.empty
    assert warned(verdict) == []


def test_good_rows_come_through_unchanged(labels):
    verdict = validate(labels)

    pd.testing.assert_frame_equal(verdict.accepted, labels)
    assert verdict.rejected_fraction == 0


FAULTS = {
    "box_sides_positive": (0, {"xmin": 417, "xmax": 151}),
    "coordinates_complete": (2, {"xmin": np.nan}),
    "box_inside_image": (2, {"xmax": 721, **dict.fromkeys(CORNERS)}),
    "aspect_possible": (2, {"ymax": 514.5, **dict.fromkeys(CORNERS), "area_ratio": None}),
    "box_not_whole_image": (
        2,
        {"xmin": 0, "ymin": 0, "xmax": 720, "ymax": 1100, **dict.fromkeys(CORNERS), "area_ratio": None},
    ),
    "corners_in_order": (0, {"rb_x": 179, "lb_x": 417}),
    "corners_inside_box": (0, {"rb_x": 423}),
    "box_fits_corners": (0, {"xmax": 423, "area_ratio": 0.0368}),
    "box_near_corners": (2, {"xmin": 20, "xmax": 190}),
    "area_field_matches": (0, {"area_ratio": 0.0357}),
    "area_field_near_box": (2, {"area_ratio": 0.0166 / 3}),
    "tilt_matches_corners": (0, {"tilt_horizontal": 50}),
    "blue_plate_has_7": (0, {"plate": "皖AE8970D"}),
    "green_plate_has_8": (4, {"plate": "皖AD1234"}),
    "blue_plate_alphabet": (0, {"plate": "皖AI8970"}),
    "green_plate_alphabet": (4, {"plate": "皖ADI2345"}),
    "plate_complete": (0, {"plate": "皖AO8970"}),
    "plate_type_known": (0, {"plate_type": "yellow", "plate": None}),
    "image_decodes": (5, {"problem": "truncated"}),
    "image_upright": (0, {"problem": "EXIF orientation 6"}),
    "image_not_huge": (5, {"width": 30000, "height": 30000}),
    "image_size_as_labelled": (0, {"width": 360, "height": 580}),
}


@pytest.fixture
def spoiled_rows(labels):
    """A copy of the good rows for each fault, one row of it spoiled; and what each of the spoiled rows must break."""
    tables, expected = [], {}
    for number, (name, (row, changes)) in enumerate(FAULTS.items()):
        table = labels.copy()
        table["path"] = f"{number}/" + table["path"]
        table["name"] = f"{number}" + table["name"]
        table["sha256"] = [f"{number:032x}{position:032x}" for position in range(len(table))]
        for column, value in changes.items():
            table[column] = table[column].astype("object")
            table.loc[row, column] = value
        expected[number * len(labels) + row] = [name]
        tables.append(table)
    spoiled = pd.concat(tables, ignore_index=True)
    return spoiled.astype(labels.dtypes.to_dict() | dict.fromkeys(["width", "height"], "float64")), expected


def test_each_fault_is_rejected_with_exactly_its_expectation(spoiled_rows):
    spoiled, expected = spoiled_rows

    assert broken_rows(spoiled) == expected


def test_a_row_keeps_every_expectation_it_breaks(labels):
    labels.loc[0, "plate"] = "皖AI897"
    labels.loc[0, "problem"] = "truncated"

    assert broken_rows(labels) == {0: ["blue_plate_alphabet", "blue_plate_has_7", "image_decodes"]}


def test_a_copy_of_an_image_is_rejected_and_the_first_kept(labels):
    copy = labels.iloc[[0]].assign(path="unpacked_twice/" + labels["path"].iloc[0])
    both = pd.concat([labels, copy], ignore_index=True)

    assert broken_rows(both) == {6: ["image_once"]}


def test_two_contents_under_one_name_are_both_rejected(labels):
    copy = labels.iloc[[0]].assign(path="other/" + labels["path"].iloc[0], sha256="e" * 64)

    assert broken_rows(pd.concat([labels, copy], ignore_index=True)) == {0: ["image_once"], 6: ["image_once"]}


def test_one_content_under_two_labels_rejects_both(labels):
    labels.loc[1, "sha256"] = labels.loc[0, "sha256"]

    assert broken_rows(labels) == {0: ["content_has_one_label"], 1: ["content_has_one_label"]}


def test_one_content_under_one_label_in_two_subsets_is_allowed(labels):
    copy = labels.iloc[[0]].assign(subset="db", path="ccpd_db/x.jpg")

    assert broken_rows(pd.concat([labels, copy], ignore_index=True)) == {}


def test_two_boxes_of_an_image_are_two_annotations_unless_equal(labels):
    plain = labels.iloc[[0, 0, 0]].assign(**dict.fromkeys([*CORNERS, "plate", "plate_type", "area_ratio"]))
    plain["xmax"] = np.float32([300, 310, 300])

    assert broken_rows(plain.reset_index(drop=True)) == {2: ["annotation_once"]}


def test_rows_of_another_data_set_need_no_corners_and_no_plate(labels):
    missing = [*CORNERS, "plate", "plate_type", "province", "area_ratio", "tilt_horizontal", "tilt_vertical"]
    other = labels.iloc[[0]].assign(**dict.fromkeys([*missing, "brightness", "blurriness"]), width=500, height=400)

    verdict = validate(other.assign(subset="street"), subsets=["street"])

    assert len(verdict.accepted) == 1
    assert warned(verdict) == []


def test_a_smaller_delivery_and_an_unknown_subset_are_warned_of(labels):
    previous = Delivery(rows=7, subsets={"base": 3, "tilt": 4})

    verdict = validate(labels.assign(subset="base"), previous=previous)
    unknown = validate(labels.assign(subset="mine"))

    assert [outcome.name for outcome in warned(verdict)] == ["rows_not_fewer", "subsets_not_fewer"]
    assert [outcome.name for outcome in warned(unknown)] == ["subset_known"]
    assert verdict.rejected.empty
    assert unknown.rejected.empty


@pytest.mark.parametrize(
    ("row", "changes", "name"),
    [
        (0, {"tilt_vertical": 70}, "vertical_tilt_near_corners"),
        (4, {"plate": "皖A1234567"[:8]}, "green_plate_energy"),
    ],
)
def test_what_is_only_odd_is_warned_of(labels, row, changes, name):
    for column, value in changes.items():
        labels.loc[row, column] = value

    verdict = validate(labels)

    assert [(outcome.name, outcome.failed) for outcome in warned(verdict)] == [(name, 1)]
    assert verdict.rejected.empty


def test_too_many_rejects_stop_the_run_and_name_each_expectation(labels):
    labels.loc[0, "problem"] = "truncated"
    labels.loc[1, "plate"] = "皖A"
    verdict = validate(labels)

    verdict.require(0.34)
    with pytest.raises(UserError, match=r"(?s)2 of 6 .*33\.3%.*1  image_decodes.*1  blue_plate_has_7.*plates inspect"):
        verdict.require(0.33)


def test_outcomes_are_plain_values_and_data_docs_are_written(labels, tmp_path: Path):
    labels.loc[0, "problem"] = "truncated"

    verdict = validate(labels, data_docs=tmp_path / "data_docs")

    written = json.loads(json.dumps([outcome.model_dump() for outcome in verdict.outcomes]))
    assert {"name", "means", "severity", "success", "checked", "failed"} <= written[0].keys()
    assert sum(outcome["failed"] for outcome in written) == 1
    pages = "".join(page.read_text(encoding="utf-8") for page in (tmp_path / "data_docs").rglob("*.html"))
    assert "the image is a JPEG that decodes completely" in pages
    assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]


def test_an_empty_table_is_refused(labels):
    with pytest.raises(UserError, match="no annotations to validate"):
        validate(labels.iloc[:0])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shift=st.tuples(st.integers(-151, 303), st.integers(-285, 762)))
def test_moving_box_and_corners_together_changes_no_measure_but_the_position(labels, shift):
    moved = labels.iloc[[0]].copy()
    for position, columns in enumerate((["xmin", "xmax", *CORNERS[::2]], ["ymin", "ymax", *CORNERS[1::2]])):
        moved[columns] += shift[position]

    before, after = measure(labels.iloc[[0]]), measure(moved)

    same = before.columns.drop(["outside_image_px"])
    pd.testing.assert_frame_equal(before[same], after[same], rtol=1e-6)
    assert after["outside_image_px"].item() <= 0


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(width=32), min_size=4, max_size=4))
def test_any_box_is_measured_without_a_warning(labels, values):
    odd = labels.iloc[[0]].assign(**dict(zip(BOX, np.float32(values), strict=True)))

    with np.errstate(all="raise", under="ignore"):
        measured = measure(odd)

    assert measured["missing_coordinates"].item() == sum(not np.isfinite(value) for value in values)
