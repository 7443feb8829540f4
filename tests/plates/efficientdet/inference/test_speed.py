"""The median of several answers, within a budget."""

from itertools import count, repeat

import numpy as np
import pytest

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference.description import Description
from plates.efficientdet.inference.runtimes import Network
from plates.efficientdet.inference.speed import MOST, milliseconds


def network(batches: list[int]) -> Network:
    described = Description(
        network="tiny", label_map={1: "plate"}, image_size=(8, 8), mean_rgb=(0, 0, 0), score_threshold=0.3,
        nms=NmsConfig(), mask_stride=4,
    )  # fmt: skip

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        batches.append(len(pixels))
        return {}

    return Network("onnx", described, run)


@pytest.mark.parametrize(("tick", "asked"), [(0.001, {1: MOST, 8: MOST}), (1.5, {1: 2, 8: 2})])
def test_each_batch_is_measured_within_the_budget(tick: float, asked: dict[int, int]) -> None:
    batches: list[int] = []
    ticks = (tick * number for number in count())
    found = milliseconds(network(batches), lambda: next(ticks))
    assert found == pytest.approx(dict.fromkeys(asked, 1000 * tick))
    assert {size: batches.count(size) - 1 for size in asked} == asked


def test_what_is_too_slow_is_not_asked_for_more() -> None:
    batches: list[int] = []
    ticks = iter(number * 3.0 for number, _ in enumerate(repeat(None, 10)))
    assert milliseconds(network(batches), lambda: next(ticks)) == {}
    assert batches == [1]
