import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates.splits.shift import compare, population_stability_index, sentences


def test_the_index_is_the_sum_over_bins():
    baseline, current = pd.Series(["a"] * 800 + ["b"] * 200), pd.Series(["a"] * 500 + ["b"] * 500)

    index, bins = population_stability_index(baseline, current)

    # (0.5 - 0.8) ln(0.5 / 0.8) + (0.5 - 0.2) ln(0.5 / 0.2) = 0.4159
    assert index == pytest.approx(0.4159, abs=0.002)
    assert bins == 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=200))
def test_a_column_against_itself_has_not_shifted(values):
    column = pd.Series(values)

    assert population_stability_index(column, column)[0] == pytest.approx(0, abs=1e-9)


@given(
    st.lists(st.floats(0, 1), min_size=5, max_size=50),
    st.lists(st.floats(2, 3), min_size=5, max_size=50),
)
def test_the_index_is_finite_and_positive_where_nothing_overlaps(low, high):
    index, _ = population_stability_index(pd.Series(low), pd.Series(high))

    assert np.isfinite(index)
    assert index > 0


def test_a_darker_table_is_called_shifted_and_an_equal_one_is_not():
    random = np.random.default_rng(0)
    baseline = pd.DataFrame({"brightness": random.normal(120, 30, 2000), "aspect": random.normal(3, 0.5, 2000)})
    current = pd.DataFrame({"brightness": random.normal(80, 30, 1000), "aspect": random.normal(3, 0.5, 1000)})

    table = compare(baseline, current, columns=["brightness", "aspect"]).set_index("column")

    assert table["shifted"].to_dict() == {"brightness": True, "aspect": False}
    assert table.loc["brightness", "ks"] > 0.4
    said = sentences(table.reset_index(), "val")
    assert len(said) == 1
    assert said[0].startswith("val differs in brightness: median 7")


def test_chance_on_a_small_side_is_no_shift():
    # 60 rows in ten bins give a PSI of about 9 / 60 = 0.15 where nothing shifted.
    random = np.random.default_rng(1)
    tables = [
        compare(
            pd.DataFrame({"x": random.normal(size=400)}),
            pd.DataFrame({"x": random.normal(size=60)}),
            0.1,
            columns=["x"],
        )
        for _ in range(50)
    ]
    together = pd.concat(tables)

    assert (together["psi"] > 0.1).mean() > 0.5
    assert together["shifted"].sum() <= 1


def test_columns_without_values_are_left_out():
    table = pd.DataFrame({"x": [1.0, 2.0], "y": [None, None]})

    assert compare(table, table, columns=["x", "y"])["column"].tolist() == ["x"]
