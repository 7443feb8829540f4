import numpy as np
import pandas as pd
import pytest

from checks.splits import crossings, near_duplicates


@pytest.fixture
def splits(labels):
    sides = ["train", "train", "val", "train", "test", "test"]
    return labels[["path", "subset", "plate"]].assign(image_id=range(1, 7), split=sides)


def test_nothing_crosses(labels, splits):
    assert [crossing.success for crossing in crossings(splits, labels)] == [True, True, True]


def test_a_plate_on_two_sides_is_found(labels, splits):
    splits.loc[2, "plate"] = splits.loc[0, "plate"]

    plate, name, content = crossings(splits, labels)

    assert (plate.success, plate.images, plate.groups, plate.severity) == (False, 2, 1, "critical")
    assert plate.examples == [splits.loc[0, "plate"]]
    assert name.success
    assert content.success


def test_a_name_and_a_content_on_two_sides_are_found(labels, splits):
    labels.loc[2, ["name", "sha256"]] = labels.loc[0, ["name", "sha256"]]

    found = {crossing.what: crossing.success for crossing in crossings(splits, labels)}

    assert found == {"plate": True, "name": False, "content": False}


def test_equal_names_without_a_plate_are_no_leak(labels, splits):
    labels[["name", "plate"]], splits["plate"] = ["1.jpg", None], None

    assert all(crossing.success for crossing in crossings(splits, labels))


def test_near_duplicates_are_counted_and_shown(splits):
    hashes = pd.DataFrame({"path": splits["path"], "dhash": np.uint64([0, 2**40 - 1, 0b111, 2**60, 2**63, 2**40 - 2])})

    val, test = near_duplicates(splits, hashes)

    assert (val.near, val.checked) == (1, 1)
    assert val.pairs == [(splits["path"][2], splits["path"][0], 3)]
    assert test.near == 2
    assert test.sentence == "2 of 2 test images look like one in train"
