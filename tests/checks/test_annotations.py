import json
import re
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
from plates.ccpd.geometry import iou, near_copies
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
    "box_inside_image": (2, {"xmax": 721.5, **dict.fromkeys(CORNERS)}),
    "aspect_possible": (2, {"ymax": 516, **dict.fromkeys(CORNERS), "area_ratio": None}),
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
    "image_is_jpeg": (5, {"problem": "not a JPEG: a PNG"}),
    "image_size_as_annotated": (5, {"problem": "size differs: the file is 290x180, the annotations say 180x290"}),
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


@pytest.fixture
def street(labels) -> pd.DataFrame:
    """Four boxes of other data in two photographs of 180x290: a and b in the first, c and d in the second."""
    missing = [*CORNERS, "plate", "plate_type", "province", "area_ratio", "tilt_horizontal", "tilt_vertical"]
    rows = labels.iloc[[0, 0, 0, 0]].assign(**dict.fromkeys([*missing, "brightness", "blurriness"]))
    rows = rows.assign(width=180, height=290, path=["1.jpg", "1.jpg", "2.jpg", "2.jpg"], name=[*"1122"])
    rows[BOX] = np.float32([[10, 10, 50, 30], [100, 100, 160, 130], [10, 10, 50, 30], [100, 100, 160, 130]])
    return rows.assign(sha256=["1" * 64, "1" * 64, "2" * 64, "2" * 64], subset="street").reset_index(drop=True)


def judged(street: pd.DataFrame, **options) -> Verdict:
    return validate(street, subsets=["street"], **options)


def test_boxes_that_overlap_almost_wholly_are_one_object_drawn_twice(street):
    street.loc[1, BOX] = [10.01, 10, 50, 30]  # a hundredth of a pixel off
    street.loc[3, BOX] = [13, 10, 50, 30]  # IoU 37 / 40

    verdict = judged(street)

    assert verdict.rejected["broken"].tolist() == [["annotation_once"]] * 2
    assert verdict.accepted["xmin"].tolist() == [10, 10]


def test_boxes_of_two_classes_or_that_overlap_less_are_two_objects(street):
    street.loc[1, BOX] = [10, 10, 50, 30]
    street.loc[1, "class"] = "another"
    street.loc[3, BOX] = [15, 10, 50, 30]  # IoU 35 / 40

    assert judged(street).rejected.empty


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=2, max_size=12), st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_near_copies_are_those_that_comparing_all_pairs_finds(corners, least):
    boxes = np.array([(x, y, x + width + 1, y + height + 1) for x, y, width, height in corners], float)
    table = pd.DataFrame(boxes, columns=BOX).assign(path=[f"{n % 2}" for n in range(len(boxes))], **{"class": "plate"})

    expected = [
        any(iou(boxes[[n]], boxes[[m]])[0] >= least for m in range(n) if m % 2 == n % 2) for n in range(len(boxes))
    ]

    assert near_copies(table, least).tolist() == expected


def test_a_hair_over_the_edge_is_cut_and_more_is_rejected_with_the_amount(street):
    street.loc[0, BOX] = [66.67, 100, 180.01, 130]  # as 66.67 + 113.34 rounds
    street.loc[1, BOX] = [100, -1, 160, 29]  # counted from 1
    street.loc[2, BOX] = [120, 270, 180, 290.4]
    street.loc[3, BOX] = [100, 100, 200.4, 130]

    verdict = judged(street, rejected_box="ignore")

    assert verdict.accepted[BOX].to_numpy().tolist() == [
        [np.float32(66.67), 100, 180, 130],
        [100, 0, 160, 29],
        [120, 270, 180, 290],
    ]
    assert verdict.accepted.dtypes.equals(street.dtypes)
    assert verdict.rejected[["broken", "found"]].to_numpy().tolist() == [[["box_inside_image"], ["20.4 px"]]]
    assert verdict.rejected[BOX].to_numpy().tolist() == [[100, 100, np.float32(200.4), 130]]
    cut = next(outcome for outcome in verdict.outcomes if outcome.name == "box_not_clipped")
    assert (cut.failed, cut.examples) == (3, ["0.009995 px", "1 px", "0.4 px"])
    assert verdict.counts["cut at the edge"] == 3


def test_a_box_of_less_than_a_pixel_is_rejected(street):
    street.loc[0, BOX] = [0.1, 0.2, 0.4, 0.3]  # as shares of the picture would be
    street.loc[2, BOX] = [10, 10, 12, 11]

    verdict = judged(street, rejected_box="ignore")

    assert verdict.rejected[["broken", "found"]].to_numpy().tolist() == [[["box_sides_positive"], ["0.1 px"]]]


def test_no_tolerance_cuts_nothing(street):
    street.loc[0, BOX] = [66.67, 100, 180.01, 130]

    verdict = judged(street, edge_tolerance_px=0.0)

    assert verdict.rejected["broken"].tolist() == [["box_inside_image"], ["picture_whole"]]


def test_a_photograph_with_a_rejected_box_is_set_aside_whole(street):
    street.loc[0, BOX] = [100, 100, 200.4, 130]

    verdict = judged(street)

    assert verdict.rejected[["path", "broken", "ignored"]].to_numpy().tolist() == [
        ["1.jpg", ["box_inside_image"], False],
        ["1.jpg", ["picture_whole"], False],
    ]
    assert verdict.accepted["path"].tolist() == ["2.jpg", "2.jpg"]
    assert (verdict.counts["rejected"], verdict.counts["rejected with their photograph"]) == (2, 1)
    with pytest.raises(UserError, match=r"(?s)box_inside_image.*20.4 px.*rejected_box=ignore keeps"):
        verdict.require(0.4)


def test_or_it_stays_and_the_rejected_box_is_a_region_to_ignore(street):
    street.loc[0, BOX] = [100, 100, 200.4, 130]

    verdict = judged(street, rejected_box="ignore")

    assert verdict.rejected[["path", "broken", "ignored"]].to_numpy().tolist() == [
        ["1.jpg", ["box_inside_image"], True]
    ]
    assert verdict.accepted["path"].tolist() == ["1.jpg", "2.jpg", "2.jpg"]
    assert verdict.counts["regions to ignore"] == 1


@pytest.mark.parametrize("box", [[np.nan, 10, 50, 30], [50, 10, 10, 30], [300, 10, 350, 30]])
def test_a_box_that_cannot_be_ignored_takes_its_photograph_with_it(street, box):
    street.loc[0, BOX] = box

    verdict = judged(street, rejected_box="ignore")

    assert verdict.rejected["path"].tolist() == ["1.jpg", "1.jpg"]
    assert not verdict.rejected["ignored"].any()


def test_a_copy_of_a_box_goes_alone(street):
    street.loc[1, BOX] = street.loc[0, BOX]

    for policy in ("set_aside", "ignore"):
        verdict = judged(street, rejected_box=policy)

        assert verdict.rejected["broken"].tolist() == [["annotation_once"]]
        assert not verdict.rejected["ignored"].any()


def test_more_objects_than_are_found_and_scored_are_said(street):
    (many,) = warned(judged(street, most_objects=1))

    assert (many.name, many.failed, many.examples) == ("objects_not_too_many", 2, ["2"])
    assert warned(judged(street, most_objects=2)) == []


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


def test_where_nothing_is_left_no_other_limit_is_offered(labels):
    resized = labels.assign(problem="size differs: the file is 290x180, the annotations say 180x290")

    with pytest.raises(UserError, match=r"(?s)image_size_as_annotated.*is 290x180, the.*no annotation is left"):
        validate(resized).require(1.0)
    with pytest.raises(UserError, match="none of 1 photographs has an annotation"):
        validate(labels.iloc[-1:]).require(1.0)


def test_outcomes_are_plain_values_and_data_docs_are_written(labels, tmp_path: Path):
    labels.loc[0, "problem"] = "truncated"

    verdict = validate(labels, data_docs=tmp_path / "data_docs")

    written = json.loads(json.dumps([outcome.model_dump() for outcome in verdict.outcomes]))
    assert {"name", "means", "severity", "success", "checked", "failed"} <= written[0].keys()
    assert sum(outcome["failed"] for outcome in written) == 1
    pages = "".join(page.read_text(encoding="utf-8") for page in (tmp_path / "data_docs").rglob("*.html"))
    assert "the image decodes completely, from header to end" in pages
    assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]
    index = (tmp_path / "data_docs/index.html").read_text(encoding="utf-8")
    assert "://" not in index, "it needs no network"
    assert re.search(r"<td>image_decodes</td>.*<td>1</td>.*from header to end.*truncated", index)
    assert (tmp_path / "data_docs" / re.search(r'href="([^"]+)"', index)[1]).is_file()


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
