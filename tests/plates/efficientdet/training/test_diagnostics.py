"""Each usual cause of a bad run is warned of by its name, with the knob that fixes it; a good run is not."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import toy

from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.checkpoints.report import LoadReport
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


@pytest.mark.parametrize(
    ("loss", "positives", "settings", "warned"),
    [
        (0.5, 3.0, {}, False),
        (40.0, 3.0, {}, True),
        (1.14, 200.0, {}, False),
        (1.4, 200.0, {}, True),
        (1000 * 0.18 / 4, 3.0, {"gamma": 0.0, "label_smoothing": 0.1}, False),  # what a background anchor costs then
        (1000 * 0.5 / 4, 3.0, {"gamma": 0.0, "label_smoothing": 0.1}, True),
        (1000 * 0.01 / 4, 3.0, {"gamma": 0.0, "quality_loss": "qfl"}, False),
    ],
)
def test_a_class_head_that_does_not_start_at_its_prior(loss, positives, settings, warned):
    said, config = [], toy.train_config(**settings)
    diagnostics.class_prior(row(cls=loss, positives=positives), toy.spec(), 1000, config, said.append)
    assert bool(said) == warned
    assert all("class head" in line and "model.pretrained" in line for line in said)


@pytest.mark.parametrize(
    ("names", "changes", "heads", "said"),
    [
        ({1: "plate"}, {}, ("class", "box"), []),
        ({1: "lorry"}, {}, ("class", "box"), ["trained for {1: 'plate'}, and here the classes are {1: 'lorry'}"]),
        ({1: "lorry"}, {}, ("box",), []),
        ({1: "plate"}, {"aspect_ratios": [1.1, 2.2]}, ("class", "box"), []),
        ({1: "plate"}, {"aspect_ratios": [0.2, 0.3]}, ("class", "box"), ["model.aspect_ratios: [[1.0, 1.0], "]),
        ({1: "plate"}, {"anchor_scale": 4.0}, ("class", "box"), ["model.anchor_scale: [2.0, 2.0]"]),
    ],
)
def test_heads_that_were_trained_for_other_classes_or_anchors(tmp_path, names, changes, heads, said):
    saved_detector.describe(tmp_path, toy.spec(), {1: "plate"}, {})
    matched = [f"{head}_net/{head}-predict/bias" for head in heads]
    found = []
    report = LoadReport(str(tmp_path), "checkpoint", matched=matched)
    diagnostics.pretrained(report, toy.spec(**changes), names, found.append)
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))
    diagnostics.pretrained(LoadReport("nowhere.h5", "Keras weights", matched=matched), toy.spec(), names, found.append)
    assert len(found) == len(said)


@pytest.mark.parametrize(
    ("settings", "scale", "warned"),
    [
        ({}, 1, False),
        ({}, 1 / 255, True),  # pictures of 0 to 1
        ({"mean_rgb": 0.0, "stddev_rgb": 1.0}, 1, True),
        ({"backbone": "efficientnet-lite0"}, 1, False),
    ],
)
def test_pixels_that_are_not_as_the_weights_expect(settings, scale, warned):
    spec = toy.spec(**settings)
    variance = [deviation**2 for deviation in spec.stddev_rgb]
    layer = keras.layers.Normalization(mean=spec.mean_rgb, variance=variance, name="normalization")
    images = np.random.default_rng(0).normal(110, 50, (2, 32, 32, 3)).clip(0, 255) * scale
    said = []
    diagnostics.pixels(keras.Sequential([layer]), spec, images, said.append)
    assert bool(said) == warned
    assert all("Warning: pixels: " in line and "model.mean_rgb" in line for line in said)


@pytest.mark.parametrize(("dropped", "warned"), [(0.0, False), (0.05, False), (0.5, True)])
def test_augmentation_that_cuts_boxes_away(dropped, warned):
    said = []
    rows = [row(dropped=dropped)] * diagnostics.LOOK_AFTER
    diagnostics.early(rows, toy.spec(), 1000, toy.train_config(), said.append)
    assert bool(said) == warned
    assert all("augment.min_visible_area" in line for line in said)


@pytest.mark.parametrize(("ignored", "warned"), [(0.0, False), (0.05, False), (0.5, True)])
def test_augmentation_that_shrinks_boxes_away(ignored, warned):
    said = []
    rows = [row(ignored=ignored)] * diagnostics.LOOK_AFTER
    diagnostics.early(rows, toy.spec(), 1000, toy.train_config(), said.append)
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


@pytest.mark.parametrize(("score", "warned"), [(0.3, False), (0.02, False), (0.004, True)])
def test_a_class_head_that_calls_everything_background(score, warned):
    said = []
    rows = [row(top_score=score)] * (diagnostics.LOOK_AFTER + diagnostics.RECENT)
    diagnostics.after_warmup(rows, 10, toy.train_config(), said.append)
    assert bool(said) == warned
    assert all("dead class head" in line and "train.alpha" in line for line in said)


@pytest.mark.parametrize(
    ("terms", "turn"),
    [
        ({"cls": 0.5, "box": 0.01}, None),  # weighted by 50, the box loss is 0.5
        ({"cls": 0.01, "box": 0.02}, "Lower train.box_loss_weight"),
        ({"cls": 9.0, "box": 0.001}, "Raise train.box_loss_weight"),
        ({"cls": 9.0, "box": 0.0}, None),  # switched off
    ],
)
def test_a_term_that_drowns_the_other(terms, turn):
    said = []
    diagnostics.drowning([row(**terms)] * 20, toy.train_config(), said.append)
    assert bool(said) == bool(turn)
    assert all(turn in line for line in said)


def run_of(scores: list[float], losses: list[float]) -> list[Row]:
    """A row for every hundredth step, each evaluated, with the 99 steps before it."""
    rows = []
    for score, loss in zip(scores, losses, strict=True):
        rows += [replace(row(loss=loss), step=len(rows) + 1 + index) for index in range(99)]
        rows.append(replace(row(loss=loss, validation=score), step=len(rows) + 1))
    return rows


@pytest.mark.parametrize(
    ("scores", "losses", "named"),
    [
        ([0.3, 0.6, 0.65, 0.66], [1.0, 0.5, 0.3, 0.2], False),  # a healthy run
        ([0.3, 0.65, 0.62, 0.64], [1.0, 0.5, 0.3, 0.2], False),  # the noise of evaluations
        ([0.3, 0.65, 0.5, 0.45], [1.0, 0.5, 0.3, 0.2], True),
        ([0.3, 0.65, 0.5, 0.45], [1.0, 0.5, 0.7, 0.9], False),  # both get worse: not what over-fitting does
        ([0.3, 0.65, 0.5, 0.64], [1.0, 0.5, 0.3, 0.2], False),  # it comes back
    ],
)
def test_over_fitting(scores, losses, named):
    said = []
    assert diagnostics.overfitting(run_of(scores, losses), "mAP", said.append) == named
    assert all("over-fitting: validation mAP was 0.650 after step 200" in line for line in said)
    assert len(said) == named


@pytest.mark.parametrize(
    ("scores", "named"),
    [
        ([0.3, 0.6, 0.65], False),
        ([0.3, 0.6, 0.65, 0.66, 0.67], False),
        ([0.3, 0.6, 0.65, 0.64, 0.651, 0.63], True),
        ([0.0, 0.0, 0.0, 0.001, 0.0, 0.0], False),  # nothing has been learned yet
    ],
)
def test_a_plateau(scores, named):
    said = []
    assert diagnostics.plateau(run_of(scores, [1.0] * len(scores)), "mAP", said.append) == named
    assert all("has risen by no more than 0.002 above 0.650 in the last 3 evaluations" in line for line in said)
