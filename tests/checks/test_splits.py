import numpy as np
import pandas as pd
import pytest

from checks.suites.splits import crossings, near_duplicates, suspects


@pytest.fixture
def splits(labels):
    splits = ["train", "train", "val", "train", "test", "test"]
    return labels[["path", "subset", "plate"]].assign(image_id=range(1, 7), split=splits)


def test_nothing_crosses(labels, splits):
    assert [crossing.success for crossing in crossings(splits, labels)] == [True, True, True]


def test_a_plate_in_two_splits_is_found(labels, splits):
    labels.loc[2, "plate"] = labels.loc[0, "plate"]

    plate, name, content = crossings(splits, labels)

    assert (plate.success, plate.images, plate.groups, plate.severity) == (False, 2, 1, "critical")
    assert plate.examples == [labels.loc[0, "plate"]]
    assert name.success
    assert content.success


def test_the_second_plate_of_a_photograph_in_two_splits_is_found(labels, splits):
    second = labels.iloc[[0]].assign(plate=labels.loc[2, "plate"])

    plate, _, _ = crossings(splits, pd.concat([labels, second], ignore_index=True))

    assert (plate.images, plate.examples) == (2, [labels.loc[2, "plate"]])


def test_a_name_and_a_content_in_two_splits_are_found(labels, splits):
    labels.loc[2, ["name", "sha256"]] = labels.loc[0, ["name", "sha256"]]

    found = {crossing.what: crossing.success for crossing in crossings(splits, labels)}

    assert found == {"plate": True, "name": False, "content": False}


def test_equal_names_without_a_plate_are_no_leak(labels, splits):
    labels[["name", "plate", "area_ratio"]], splits["plate"] = ["1.jpg", None, None], None

    assert all(crossing.success for crossing in crossings(splits, labels))


def test_equal_names_that_are_no_labels_are_no_leak(labels, splits):
    """COCO annotations can give plates to `cam0/000.jpg` and `cam1/000.jpg`."""
    labels[["name", "area_ratio"]] = ["000.jpg", None]

    assert all(crossing.success for crossing in crossings(splits, labels))


def test_only_photographs_that_may_cross_are_compared(labels, splits):
    second = labels.iloc[[0]].assign(plate=labels.loc[2, "plate"])
    labels.loc[4, "sha256"] = labels.loc[1, "sha256"]
    labels = pd.concat([labels, second]).sort_values("path", kind="stable", ignore_index=True)
    parts = [labels[labels["path"] == path] for path in labels["path"].unique()]

    few = suspects(lambda: ((part, splits[splits["path"].isin(part["path"])]) for part in parts))

    assert sorted(few[0]["path"]) == sorted(splits["path"][[0, 1, 2, 4]])
    order = splits.set_index("path").loc[few[0]["path"]].reset_index()
    assert crossings(*few) == crossings(order, labels)
    assert [crossing.images for crossing in crossings(*few)] == [2, 0, 2]


def test_where_nothing_can_cross_nothing_is_compared(labels, splits):
    few = suspects(lambda: [(labels, splits)])

    assert [len(table) for table in few] == [0, 0]
    assert all(crossing.success for crossing in crossings(*few))


def test_near_duplicates_are_counted_and_shown(splits):
    hashes = pd.DataFrame({"path": splits["path"], "dhash": np.uint64([0, 2**40 - 1, 0b111, 2**60, 2**63, 2**40 - 2])})

    val, test, test_in_val = near_duplicates([(hashes, splits)])

    assert (val.near, val.checked) == (1, 1)
    assert val.pairs == [(splits["path"][2], splits["path"][0], 3)]
    assert test.near == 2
    assert test.sentence == "2 of 2 test images look like one in train"
    assert (test_in_val.near, test_in_val.other) == (0, "val")
