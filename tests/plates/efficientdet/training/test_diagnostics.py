"""Each usual cause of a bad run is warned of by its name, with the knob that mends it; a good run is not."""

import numpy as np
import pytest
import toy

from plates.efficientdet.training import diagnostics
from plates.efficientdet.training.history import Row


def row(**values: float) -> Row:
    calm = {"loss": 1.0, "cls": 0.5, "box": 0.01, "iou": 0.0, "seg": 0.0, "l2": 0.0, "gradient_norm": 2.0}
    counts = {"positives": 5.0, "boxes": 1.0, "ignored": 0.0, "learning_rate": 0.01}
    return Row(step=1, **(calm | counts | values))


@pytest.mark.parametrize(
    ("optimizer", "rate", "warned"),
    [("sgd", 0.08, False), ("sgd", 50.0, True), ("adamw", 0.024, False), ("adamw", 0.8, True), ("adam", 1e-5, True)],
)
def test_a_learning_rate_that_the_optimizer_does_not_stand(optimizer, rate, warned):
    said = []
    diagnostics.learning_rate(toy.train_config(optimizer=optimizer, learning_rate=rate), said.append)
    assert [line for line in said if "learning rate: train.learning_rate" in line] == said
    assert bool(said) == warned


@pytest.mark.parametrize(("loss", "warned"), [(0.5, False), (40.0, True)])
def test_a_class_head_that_does_not_start_at_its_prior(loss, warned):
    said = []
    diagnostics.class_prior(row(cls=loss), toy.spec(), 1000, said.append)
    assert bool(said) == warned
    assert all("class head" in line and "model.pretrained" in line for line in said)


@pytest.mark.parametrize(("dropped", "warned"), [(0.0, False), (0.05, False), (0.5, True)])
def test_augmentation_that_cuts_boxes_away(dropped, warned):
    said = []
    diagnostics.early([row(dropped=dropped)] * diagnostics.LOOK_AFTER, toy.spec(), 1000, said.append)
    assert bool(said) == warned
    assert all("augment.min_visible_area" in line for line in said)


@pytest.mark.parametrize(("ignored", "warned"), [(0.0, False), (0.05, False), (0.5, True)])
def test_augmentation_that_shrinks_boxes_away(ignored, warned):
    said = []
    rows = [row(ignored=ignored)] * diagnostics.LOOK_AFTER
    diagnostics.early(rows, toy.spec(), 1000, said.append)
    assert bool(said) == warned
    assert all("augment.jitter_min" in line for line in said)


@pytest.mark.parametrize(("inference", "warned"), [(1.1, False), (9.0, True)])
def test_batch_norm_that_has_not_settled(inference, warned):
    class Detector:
        def predict_on_batch(self, images):
            return {}

        def compute_loss(self, images, targets, outputs, training):
            assert not training
            return np.float32(inference)

    said = []
    diagnostics.batch_norm(Detector(), ([], {}), row(loss=1.0), 0.99, said.append)
    assert bool(said) == warned
    assert all("train.batch_norm_momentum" in line for line in said)
