import numpy as np
import pandas as pd
import pytest

from plates.columns import BOX
from plates.why.placement import place

LABELS = {1: "blue", 2: "green"}
PLATES = 40


@pytest.fixture
def truth():
    random = np.random.default_rng(0)
    low = random.uniform([100, 300], [300, 700], (PLATES, 2))
    boxes = np.concatenate([low, low + random.uniform([120, 30], [180, 60], (PLATES, 2))], axis=1)
    return pd.DataFrame(boxes, columns=BOX).assign(image_id=range(PLATES), **{"class": "blue"})


def detections(truth, boxes=None, number=1, score=0.9):
    found = truth[["image_id", *BOX]].assign(score=score, **{"class": number})
    found[BOX] = truth[BOX].to_numpy() if boxes is None else boxes
    return found


def test_detections_on_the_labels_are_found_and_nothing_else(truth):
    placed = place(detections(truth), truth, LABELS)
    assert (placed.found, placed.found_in_class, placed.answered) == (1.0, 1.0, 1.0)
    assert placed.scale == pytest.approx((1.0, 1.0))
    assert placed.offset == pytest.approx((0.0, 0.0))
    assert placed.confident_elsewhere == 0.0
    assert placed.swapped < 0.1


def test_another_class_is_found_and_not_in_class(truth):
    placed = place(detections(truth, number=2), truth, LABELS)
    assert (placed.found, placed.found_in_class) == (1.0, 0.0)


def test_swapped_scaled_and_shifted_boxes_are_told_apart(truth):
    boxes = truth[BOX].to_numpy()
    swapped = place(detections(truth, boxes[:, [1, 0, 3, 2]]), truth, LABELS)
    assert swapped.swapped == 1.0
    assert swapped.found < 0.1
    halved = place(detections(truth, boxes / 2), truth, LABELS)
    assert halved.scale == pytest.approx((0.5, 0.5))
    assert (halved.rescaled, halved.found) == (1.0, 0.0)
    width = (boxes[:, 2] - boxes[:, 0])[:, None]
    shifted = place(detections(truth, boxes + 0.2 * width * np.array([1, 0, 1, 0])), truth, LABELS)
    assert shifted.offset == pytest.approx((0.2, 0.0))
    assert shifted.found == 1.0


def test_only_as_many_detections_count_as_the_photograph_has_plates(truth):
    beside = detections(truth, truth[BOX].to_numpy() + 400, score=0.95)
    placed = place(pd.concat([detections(truth), beside]), truth, LABELS)
    assert placed.found == 0.0
    assert placed.confident_elsewhere == pytest.approx(0.5)


def test_no_detection_and_no_label(truth):
    placed = place(detections(truth).head(0), truth, LABELS)
    assert (placed.found, placed.answered, placed.top_score) == (0.0, 0.0, None)
    assert place(detections(truth), truth.assign(**{"class": None}), LABELS) is None
