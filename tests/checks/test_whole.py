"""A delivery that is judged in parts gets the judgement of the whole one."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from checks.annotations import Gate, validate
from checks.suites.delivery import Delivery
from checks.whole import survey

LAST = Delivery(rows=9, subsets={"blur": 1, "tilt": 8})


@pytest.fixture
def delivered(labels: pd.DataFrame) -> pd.DataFrame:
    """By path: two photographs of two boxes, copies far apart, one that is damaged, one without a plate."""
    second = labels.iloc[[0, 3]].assign(xmin=2.0, xmax=60.0)
    same_name = labels.iloc[[1]].assign(path="z/copy.jpg", sha256="f" * 64)
    other_label = labels.iloc[[2]].assign(path="y/same.jpg", name="same.jpg", xmin=170.0)
    table = pd.concat([labels, second, same_name, other_label]).sort_values("path", kind="stable", ignore_index=True)
    return table.assign(problem=table["problem"].mask(table["subset"] == "green", "truncated"))


def in_parts(labels: pd.DataFrame, photographs: int) -> Callable[[], Iterator[pd.DataFrame]]:
    number = pd.factorize(labels["path"])[0] // photographs
    return lambda: (labels[number == part].reset_index(drop=True) for part in range(number.max() + 1))


@pytest.mark.parametrize(("photographs", "policy"), [(3, "set_aside"), (4, "ignore")])
def test_parts_are_judged_as_the_whole(delivered: pd.DataFrame, photographs: int, policy: str) -> None:
    parts = in_parts(delivered, photographs)
    gate = Gate(survey(parts), LAST, rejected_box=policy)
    accepted, rejected = zip(*map(gate.judge, parts()), strict=True)
    whole = validate(delivered, LAST, rejected_box=policy)

    pd.testing.assert_frame_equal(pd.concat(accepted, ignore_index=True), whole.accepted, check_dtype=False)
    pd.testing.assert_frame_equal(pd.concat(rejected, ignore_index=True), whole.rejected, check_dtype=False)
    judgement = gate.judgement()
    assert judgement.outcomes == whole.outcomes
    assert judgement.counts == whole.counts
    broken = {name for names in whole.rejected["broken"] for name in names}
    assert {"image_once", "content_has_one_label", "image_decodes", "box_fits_corners"} <= broken
    failed = {outcome.name for outcome in whole.outcomes if not outcome.success}
    assert {"subsets_not_fewer"} <= failed


def test_a_survey_of_parts_is_that_of_the_whole(delivered: pd.DataFrame) -> None:
    whole, of_parts = survey(lambda: [delivered]), survey(in_parts(delivered, 2))
    assert of_parts.size == whole.size
    pd.testing.assert_frame_equal(of_parts.shared, whole.shared)
    assert len(whole.shared) == 4, "the photographs that share a name or a content, and no others"


def test_a_delivery_is_a_table_of_its_subsets() -> None:
    subset = Delivery(rows=6, subsets={"base": 3, "tilt": 1}).table()["subset"]
    assert subset.astype("object").where(subset.notna(), None).tolist() == ["base"] * 3 + ["tilt", None, None]
    assert np.issubdtype(subset.cat.codes.dtype, np.int8)
