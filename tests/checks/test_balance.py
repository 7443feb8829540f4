import pandas as pd
import pytest

from checks.suites.imbalance import imbalance
from plates.splits.balance import distribution


def by_axis(boxes, **limits):
    return {balance.axis: balance for balance in imbalance(distribution(boxes), **limits)}


def test_the_share_of_the_commonest_province_is_said_in_words(real_labels):
    province = by_axis(real_labels, max_share=0.8, max_ratio=50)["province"]

    assert not province.success
    assert province.largest_share == pytest.approx(0.9175, abs=1e-4)
    assert province.sentence.startswith("92% of plates are from 皖 (over 80%); 47,830 times as many as 琼, which has 1")


def test_thresholds_decide(labels):
    mixed = pd.concat([labels] * 3, ignore_index=True)
    mixed.loc[:8, "province"] = "沪"

    shares = by_axis(mixed, max_share=0.6, max_ratio=50)["province"]
    ratios = by_axis(mixed, max_share=0.9, max_ratio=1.1)["province"]

    assert shares.counts == {"沪": 8, "皖": 7}
    assert shares.success
    assert not ratios.success
    assert ratios.imbalance_ratio == pytest.approx(8 / 7)


def test_one_class_is_no_imbalance_and_axes_without_values_are_left_out(labels):
    plain = labels.assign(province=None, brightness=None)

    found = by_axis(plain, max_share=0.8, max_ratio=50)

    assert found["class"].success
    assert set(found) == {"class", "subset", "size"}
    assert imbalance(distribution(labels.iloc[-1:]), 0.8, 50) == []


def test_all_from_one_province_is_said(labels):
    province = by_axis(labels.assign(province="皖"), max_share=0.8, max_ratio=50)["province"]

    assert not province.success
    assert province.sentence == "100% of plates are from 皖 (over 80%)"


def test_one_subset_is_no_imbalance(labels):
    subset = by_axis(labels.assign(subset="data.root"), max_share=0.8, max_ratio=50)["subset"]

    assert subset.success
    assert subset.sentence == "100% of boxes are from data.root"


def test_pages_are_written(labels, tmp_path):
    imbalance(distribution(labels), 0.8, 50, data_docs=tmp_path / "pages")

    pages = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "pages").rglob("*.html"))
    assert "no province has over 80% of the boxes" in pages


def test_classes_without_a_box_are_named(labels):
    blue = labels[labels["plate_type"] == "blue"].assign(**{"class": "blue"})

    found = by_axis(blue, max_share=0.8, max_ratio=50, classes=["blue", "green"])["class"]

    assert not found.success
    assert found.sentence == "100% of boxes are of class blue (over 80%); 1 of 2 classes have no box: green"
