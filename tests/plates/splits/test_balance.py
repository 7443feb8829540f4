import pandas as pd
import pytest

from plates.splits.balance import distribution


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
