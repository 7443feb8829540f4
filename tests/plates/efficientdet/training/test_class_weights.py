import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.training.class_weights import class_weights, effective_distribution

COUNTS = {"皖": 900, "沪": 90, "藏": 10, "never seen": 0}


def test_effective_number_weights_are_those_of_the_paper() -> None:
    # Cui et al. 2019 (arXiv:1901.05555), equation 2: E = (1 - beta^n) / (1 - beta), here with beta 0.999.
    one, many = class_weights([1, 1000], "effective_number")
    assert one / many == pytest.approx((1 - 0.999**1000) / (1 - 0.999))


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=40), st.sampled_from(["inverse", "effective_number"]))
def test_weights_average_to_one_and_favour_the_rare(counts: list[int], method: str) -> None:
    weights = class_weights(counts, method)
    assert sum(w * n for w, n in zip(weights, counts, strict=True)) / sum(counts) == pytest.approx(1)
    ordered = [weight for _, weight in sorted(zip(counts, weights, strict=True), key=lambda pair: pair[0])]
    assert all(after <= before * (1 + 1e-9) for before, after in itertools.pairwise(ordered))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.9, 0.09, 0.01, 0]),
        ({"class_weights": "inverse"}, [1 / 3, 1 / 3, 1 / 3, 0]),
        # 1000 boxes of three classes: 0.37, 3.7 and 33.3 copies, the last limited to 20; the epoch keeps its length
        ({"balanced_sampling": True}, [333.3 / 866.7, 333.3 / 866.7, 200 / 866.7, 0]),
    ],
)
def test_the_distribution_that_is_learnt_from(settings: dict, expected: list[float]) -> None:
    shares = effective_distribution(COUNTS, TrainConfig(**settings))
    assert list(shares) == list(COUNTS)
    assert list(shares.values()) == pytest.approx(expected, abs=1e-4)


def test_no_boxes_have_no_distribution() -> None:
    assert effective_distribution({"plate": 0}, TrainConfig(class_weights="inverse")) == {"plate": 0.0}
