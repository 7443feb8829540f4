import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpd.balance import class_weights, distribution, effective_distribution, sampling_weights
from lineage.errors import UserError


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


def test_effective_number_weights_are_those_of_the_paper():
    # Cui et al. 2019, equation 2: E = (1 - beta^n) / (1 - beta); for beta 0.9, n 1 and 2: 1 and 1.9.
    weights = class_weights(pd.Series({"a": 1, "b": 2}), "effective_number", beta=0.9)

    assert weights["a"] / weights["b"] == pytest.approx(1.9)


def test_inverse_weights_give_every_class_the_same_total():
    weights = class_weights(pd.Series({"a": 900, "b": 100}), "inverse")

    assert (weights * [900, 100]).tolist() == pytest.approx([500, 500])


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=40), st.sampled_from(["inverse", "effective_number"]))
def test_weights_average_to_one_and_favour_the_rare(counts, method):
    series = pd.Series(counts)

    weights = class_weights(series, method)

    assert (weights * series).sum() / series.sum() == pytest.approx(1)
    order = np.argsort(counts)
    assert (np.diff(weights.to_numpy()[order]) <= 1e-9 * weights.max()).all()


def test_a_class_without_annotations_is_refused_by_name():
    with pytest.raises(UserError, match="none of green"):
        class_weights(pd.Series({"blue": 3, "green": 0}), "inverse")


def test_balanced_sampling_draws_every_value_equally_often():
    table = boxes(["皖"] * 9 + ["沪"], ["base"] * 8 + ["blur", "blur"])

    chances = sampling_weights(table["province"])
    effective = effective_distribution(table, by="province").set_index(["axis", "value"])

    assert chances.sum() == pytest.approx(1)
    assert effective.loc[("province", "皖"), "share"] == pytest.approx(0.9)
    assert effective.loc[("province", "皖"), "balanced"] == pytest.approx(0.5)
    assert effective.loc[("subset", "blur"), "balanced"] == pytest.approx(0.5 / 9 + 0.5)


def test_shares_of_each_axis_sum_to_one():
    table = distribution(boxes(["皖", "皖", "沪"], ["base", "blur", "blur"]))

    assert table.groupby("axis")["share"].sum().tolist() == pytest.approx([1] * 5)
    assert table[table["axis"] == "size"]["value"].tolist() == ["0%-1%"]
    assert table[table["axis"] == "brightness"]["value"].tolist() == ["100-149"]
