"""What stops a run early, and what is said about it."""

import numpy as np
import pytest
import toy

from plates.efficientdet.training import guards
from plates.efficientdet.training.history import Row


def check(broken: Row, history: list[Row], batch=None, **config) -> None:
    targets = (batch or toy.batches(1)[0])[1]
    guards.check_step(broken, history, targets.get, toy.spec(), toy.train_config(**config), "Kept.")


def test_nan_is_blamed_on_the_bad_box_and_its_image():
    batch = toy.batches(1)[0]
    batch[1]["gt_boxes"][3, 0] = np.nan
    with pytest.raises(guards.TrainingDiverged, match=r"bad boxes .* in images 4\. Kept") as caught:
        check(toy.row(7, loss=np.nan, box=np.nan), [toy.row()], batch)
    assert (caught.value.step, caught.value.term) == (7, "box")


def test_nan_under_float16_is_blamed_on_overflow_and_an_infinite_gradient_is_not_an_error():
    with pytest.raises(guards.TrainingDiverged, match="float16 overflows"):
        check(toy.row(7, loss=np.inf, cls=np.inf), [toy.row()], mixed_precision="float16")
    check(toy.row(7, gradient_norm=np.inf), [toy.row()], mixed_precision="float16")
    with pytest.raises(guards.TrainingDiverged, match="gradient is not a number"):
        check(toy.row(7, gradient_norm=np.inf), [toy.row()])


def test_growing_loss_is_stopped_and_a_bump_is_not():
    history = [toy.row(step, loss=1.0) for step in range(1, 31)]
    check(toy.row(31, loss=50.0, box=1.0), history)
    exploding = history + [toy.row(step, loss=50.0, box=1.0) for step in range(31, 40)]
    with pytest.raises(
        guards.TrainingDiverged, match=r"the loss is growing: 50 .* after 1 at best, mostly the box loss"
    ):
        check(toy.row(40, loss=50.0, box=1.0), exploding)


def test_no_boxes_and_no_matches_are_named():
    with pytest.raises(guards.NothingMatched, match="No image of the first 20 batches has a box"):
        guards.check_matches([toy.row(boxes=0.0, positives=0.0)] * 20, print, 100)
    with pytest.raises(guards.NothingMatched, match="anchors fit nothing"):
        guards.check_matches([toy.row(positives=0.0)] * 20, print, 100)
    said = []
    guards.check_matches([toy.row(positives=1.1)] * 20, said.append, 100)
    assert "1.10 positives per box" in said[0]
