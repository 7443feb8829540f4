"""A detector that learns from another one's answers."""

import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.config import ModelConfig, TrainConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.family import Spec, resolve
from plates.efficientdet.training import losses, teacher
from plates.efficientdet.training.build import build
from plates.efficientdet.training.data import Data
from plates.efficientdet.training.matching import BACKGROUND, IGNORED, Targets
from plates.errors import UserError

SMALL = {
    "image_size": 64, "max_level": 4, "fpn_num_filters": 8, "fpn_cell_repeats": 1, "box_class_repeats": 1,
    "num_classes": 1,
}  # fmt: skip
NAMES = {1: "plate"}


def spec(**changed) -> Spec:
    return resolve(ModelConfig(**SMALL | changed))


@pytest.fixture(scope="module")
def larger(tmp_path_factory) -> Path:
    """A champion's folder; its detector has more channels, and knows pictures of 128 pixels."""
    folder = tmp_path_factory.mktemp("teacher")
    keras.utils.set_random_seed(3)
    large = spec(fpn_num_filters=16, image_size=128)
    (folder / "checkpoint").mkdir()
    saved_detector.save_weights(network.build(large), folder / "checkpoint" / saved_detector.BEST)
    saved_detector.describe(folder / "checkpoint", large, NAMES, {})
    return folder


def test_the_loss_is_qfl_of_the_scores_and_huber_of_the_positive_boxes():
    logits, taught = np.float32([[[0.3], [-2.0], [1.0]]]), np.float32([[[1.5], [-1.0], [3.0]]])
    deltas, answer = np.zeros((1, 3, 4), np.float32), np.full((1, 3, 4), 0.05, np.float32)
    targets = Targets(np.int32([[0, BACKGROUND, IGNORED]]), np.ones((1, 3, 4), np.float32), None)
    config = TrainConfig(gamma=2.0, box_loss_weight=10.0)
    found = losses.distillation_loss(logits, deltas, {"class": taught, "box": answer}, targets, 2.0, config)
    expected = 0.0
    for z, t in ((0.3, 1.5), (-2.0, -1.0)):
        score, target = 1 / (1 + math.exp(-z)), 1 / (1 + math.exp(-t))
        expected -= (target * math.log(score) + (1 - target) * math.log(1 - score)) * (target - score) ** 2
    boxes = 10.0 * 4 * 0.5 * 0.05**2 / 4
    assert float(found) == pytest.approx((expected + boxes) / 2.0, rel=1e-4)


def test_it_answers_pictures_of_the_size_that_training_sees(larger):
    ask = teacher.load(str(larger), spec(), NAMES)
    pictures = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.float32)
    rebuilt = network.build(spec(fpn_num_filters=16))
    rebuilt.set_weights(saved_detector.load(larger / "checkpoint").network.get_weights())
    expected = rebuilt(pictures, training=False)
    for name, value in ask(ops.convert_to_tensor(pictures)).items():
        np.testing.assert_array_equal(value, expected[name])


def test_training_draws_a_detector_to_its_teacher_which_stays_as_it_is(larger):
    config = TrainConfig(teacher=str(larger), teacher_weight=20.0, moving_average_decay=0, learning_rate=0.3)
    detector = build(spec(), config, Data(lambda start: [], 4, label_map=NAMES), 40)
    assert len(detector.trainable_variables) == len(detector.network.trainable_variables)
    pictures = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3)).astype(np.uint8)
    targets = {"gt_boxes": np.tile(np.float32([8, 8, 30, 56]), (4, 1, 1)), "gt_classes": np.ones((4, 1), np.int32)}
    before = {name: np.asarray(value) for name, value in detector.teacher(pictures).items()}
    distances = []
    for _ in range(12):
        detector.reset_metrics()
        detector.train_on_batch(pictures, targets)
        distances.append(float(detector.means["teacher"].result()))
    assert distances[-1] < 0.5 * distances[0]
    for name, value in detector.teacher(pictures).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("changed", "names", "message"),
    [
        ({"num_scales": 2}, NAMES, "other anchors"),
        ({"num_classes": 2}, NAMES | {2: "lorry"}, "knows the classes {1: 'plate'}; here they are {1: 'plate', 2"),
        ({}, {1: "lorry"}, "knows the classes {1: 'plate'}; here they are {1: 'lorry'}"),
    ],
)
def test_one_of_other_anchors_or_classes_is_refused(larger, changed, names, message):
    with pytest.raises(UserError, match=re.escape(message)):
        teacher.load(str(larger), spec(**changed), names)


def test_one_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="No trained detector"):
        teacher.load(str(tmp_path), spec(), NAMES)
