import pandas as pd
import pytest

from plates.splits.balance import distribution, together


def boxes(provinces: list[str], subsets: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "class": "license_plate",
            "province": provinces,
            "subset": subsets,
            "xmin": 0.0,
            "ymin": 0.0,
            "xmax": 100.0,
            "ymax": 50.0,
            "width": 720,
            "height": 1160,
            "brightness": 120,
        }
    )


def test_shares_of_each_axis_sum_to_one():
    table = distribution(boxes(["皖", "皖", "沪"], ["base", "blur", "blur"]))

    assert table.groupby("axis")["share"].sum().tolist() == pytest.approx([1] * 5)
    assert table[table["axis"] == "size"]["value"].tolist() == ["0%-1%"]
    assert table[table["axis"] == "brightness"]["value"].tolist() == ["100-149"]


def test_the_distribution_of_parts_is_that_of_the_whole():
    whole = boxes(["皖", "皖", "沪", "苏"], ["base", "blur", "blur", "blur"])
    parts = together(distribution(whole.iloc[rows]) for rows in ([3], [0, 2], [1]))
    expected = distribution(whole)
    order = ["axis", "count", "value"]
    pd.testing.assert_frame_equal(
        parts.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True)
    )
    assert parts["axis"].unique().tolist() == expected["axis"].unique().tolist()
    assert parts["value"].tolist()[1:3] == ["皖", "苏"]
    pd.testing.assert_frame_equal(together([expected]), expected)
