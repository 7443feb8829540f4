import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.efficientdet.evaluation import metrics
from plates.efficientdet.training import losses
from plates.efficientdet.training.detector import segmentation_loss
from plates.efficientdet.training.matching import BACKGROUND, IGNORED, Targets

logits = st.floats(-30, 30, width=32)


@settings(deadline=None)
@given(logits, st.booleans(), st.floats(0, 1), st.floats(0, 5), st.floats(0, 0.5))
def test_focal_loss_is_the_formula_of_the_paper(logit, positive, alpha, gamma, smoothing):
    found = losses.focal_loss(
        np.array([[0 if positive else BACKGROUND]]), np.array([[[logit]]], np.float32), 1, alpha, gamma, smoothing
    )
    probability = 1 / (1 + math.exp(-logit))
    right = probability if positive else 1 - probability
    target = (1.0 if positive else 0.0) * (1 - smoothing) + smoothing / 2
    entropy = np.logaddexp(0, -logit) * target + np.logaddexp(0, logit) * (1 - target)
    weight = alpha if positive else 1 - alpha
    assert float(found) == pytest.approx(weight * (1 - right) ** gamma * entropy, rel=2e-4, abs=1e-6)


@settings(deadline=None)
@given(logits, st.floats(0, 1, width=32), st.booleans(), st.sampled_from(["qfl", "vfl"]), st.floats(1, 3))
def test_quality_losses_are_the_formulas_of_their_papers(logit, quality, positive, kind, gamma):
    found = losses.quality_loss(
        np.array([[0 if positive else BACKGROUND]]),
        np.array([[[logit]]], np.float32),
        np.array([[quality]], np.float32),
        *(1, kind, 0.75, gamma),
    )
    score, target = 1 / (1 + math.exp(-logit)), quality if positive else 0.0
    entropy = np.logaddexp(0, -logit) * target + np.logaddexp(0, logit) * (1 - target)
    varifocal = target if positive else 0.75 * score**gamma
    weight = abs(target - score) ** gamma if kind == "qfl" else varifocal
    assert float(found) == pytest.approx(weight * entropy, rel=2e-3, abs=1e-4)


def test_quality_is_the_iou_of_the_decoded_box_and_no_gradient_flows_through_it():
    anchors = tf.constant([[0.0, 0.0, 10.0, 10.0]])
    targets = Targets(np.array([[0]]), np.zeros((1, 1, 4), np.float32), None)
    deltas = tf.constant([[[0.0, 0.5, 0.0, 0.0]]])
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        quality = losses.iou_of_positives(targets, deltas, anchors)
    assert float(quality[0, 0]) == pytest.approx(1 / 3)
    assert tape.gradient(quality, deltas) is None
    background = Targets(np.array([[BACKGROUND]]), np.zeros((1, 1, 4), np.float32), None)
    assert float(losses.iou_of_positives(background, deltas, anchors)[0, 0]) == 0


def test_corners_that_are_not_known_or_of_no_plate_teach_nothing():
    """Anchors: of a plate with corners, of one without, background, of a box to be ignored."""
    targets = Targets(np.array([[0, 0, BACKGROUND, IGNORED]]), np.zeros((1, 4, 4), np.float32), None)
    corners = np.full((1, 4, 8), 0.5, np.float32)
    corners[0, 1] = np.nan
    found = tf.constant(np.full((1, 4, 8), 0.25, np.float32))
    with tf.GradientTape() as tape:
        tape.watch(found)
        loss = losses.corners_loss(targets, corners, found, 2.0, 0.1)
    assert float(loss) == pytest.approx((0.25 - 0.05) * 0.1 / 2)
    gradient = tape.gradient(loss, found).numpy()[0]
    assert (gradient[0] < 0).all()
    assert not gradient[1:].any()


@pytest.mark.parametrize("kind", ["qfl", "vfl"])
def test_quality_losses_and_their_gradients_are_finite_anywhere(kind):
    extreme = tf.constant([[[-1e4], [1e4], [0.0], [-88.0], [88.0]]])
    for classes in (np.zeros((1, 5), np.int32), np.full((1, 5), BACKGROUND)):
        for quality in (0.0, 0.5, 1.0):
            with tf.GradientTape() as tape:
                tape.watch(extreme)
                loss = losses.quality_loss(classes, extreme, tf.fill((1, 5), quality), 1.0, kind, gamma=0.5)
            assert np.isfinite(float(loss))
            assert np.isfinite(tape.gradient(loss, extreme)).all()


def test_focal_loss_and_its_gradient_are_finite_anywhere():
    extreme = tf.constant([[[-1e4], [1e4], [0.0], [-88.0], [88.0]]])
    for classes in (np.zeros((1, 5), np.int32), np.full((1, 5), BACKGROUND)):
        with tf.GradientTape() as tape:
            tape.watch(extreme)
            loss = losses.focal_loss(classes, extreme, 1.0, gamma=0.5)
        assert np.isfinite(float(loss))
        assert np.isfinite(tape.gradient(loss, extreme)).all()


def test_ignored_anchors_and_class_weights():
    values = np.random.default_rng(0).normal(size=(1, 4, 2)).astype(np.float32)
    classes = np.array([[0, 1, BACKGROUND, IGNORED]])

    def loss(anchor_rows, **options):
        return float(losses.focal_loss(classes[:, anchor_rows], values[:, anchor_rows], 1.0, **options))

    each = [loss([i]) for i in range(4)]
    assert each[3] == 0
    assert loss([0, 1, 2, 3]) == pytest.approx(sum(each), rel=1e-5)
    weighted = loss([0, 1, 2, 3], class_weights=[2.0, 5.0])
    assert weighted == pytest.approx(2 * each[0] + 5 * each[1] + each[2], rel=1e-5)


@settings(deadline=None)
@given(st.floats(-3, 3, width=32), st.floats(0.01, 1))
def test_huber_loss_is_keras_s(error, delta):
    targets = Targets(np.array([[0, BACKGROUND]]), np.zeros((1, 2, 4), np.float32), None)
    deltas = np.full((1, 2, 4), error, np.float32)
    theirs = keras.losses.Huber(delta, reduction="sum")(np.zeros((4, 1), np.float32), deltas[0, 0][:, None])
    assert float(losses.huber_loss(targets, deltas, 1.0, delta)) == pytest.approx(float(theirs) / 4, rel=1e-4, abs=1e-7)


corner = st.floats(0, 100, width=32)
side = st.floats(0.5, 100, width=32)
box = st.tuples(corner, corner, side, side).map(lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]], np.float32))


@settings(deadline=None)
@given(box, box)
def test_relatives_of_iou_are_below_it_and_1_for_equal_boxes(first, second):
    kinds = ("iou", "giou", "diou", "ciou")
    iou, giou, diou, ciou = (float(losses.iou_similarity(first, second, kind)) for kind in kinds)
    assert 0 <= iou <= 1 + 1e-5
    assert -1 - 1e-5 <= giou <= iou + 1e-5
    assert -1 - 1e-5 <= diou <= iou + 1e-5
    assert ciou <= diou + 1e-5
    for kind in kinds:
        assert float(losses.iou_similarity(first, first, kind)) == pytest.approx(1, abs=1e-4)


def test_relatives_of_iou_by_hand():
    """10 x 10 boxes 20 apart: the hull is 30 x 10, its diagonal 1000 squared, the distance 400 squared."""
    first, second = np.array([0.0, 0, 10, 10], np.float32), np.array([0.0, 20, 10, 30], np.float32)
    found = {kind: float(losses.iou_similarity(first, second, kind)) for kind in ("iou", "giou", "diou", "ciou")}
    assert found == pytest.approx({"iou": 0, "giou": -1 / 3, "diou": -0.4, "ciou": -0.4}, abs=1e-6)


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_iou_loss_moves_positives_only_and_never_to_nan(kind):
    anchors = np.array([[0, 0, 10, 10], [5, 5, 25, 15], [0, 0, 8, 8]], np.float32)
    targets = Targets(
        tf.constant([[0, 0, BACKGROUND]]),
        tf.constant([[[0.1, 0.0, 0.2, 0.1], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]),
        tf.constant([2.0]),
    )
    deltas = tf.constant([[[0.0, 0.1, 0.0, 0.0], [0.2, 0.0, 0.1, 0.0], [5.0, 5.0, 200.0, 200.0]]])
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        loss = losses.iou_loss(targets, deltas, anchors, 3.0, kind)
    gradient = tape.gradient(loss, deltas).numpy()
    assert float(loss) > 0
    assert np.isfinite(gradient).all()
    assert gradient[0, :2].any(axis=1).all()
    assert not gradient[0, 2].any()
    exact = losses.iou_loss(targets, targets.boxes, anchors, 3.0, kind)
    assert float(exact) == pytest.approx(0, abs=1e-6)


def test_l2_is_half_the_weighted_sum_of_squares():
    kernels = [np.full((2, 3), 2.0, np.float32), np.array([3.0], np.float32)]
    assert float(losses.l2_loss(kernels, 0.1)) == pytest.approx(0.1 * (6 * 4 + 9) / 2)
    assert float(losses.l2_loss([], 0.1)) == 0


def test_cells_that_do_not_count_change_no_mask_loss_and_no_score():
    random = np.random.default_rng(0)
    mask, logits = random.integers(0, 2, (2, 4, 4)), random.normal(size=(2, 4, 4, 2)).astype(np.float32)
    half = np.where(np.arange(4) < 2, mask, -1)
    assert float(segmentation_loss(half, logits)) == pytest.approx(
        float(segmentation_loss(mask[..., :2], logits[:, :, :2])), rel=1e-6
    )
    assert float(segmentation_loss(np.full_like(mask, -1), logits)) == 0
    np.testing.assert_array_equal(metrics.confusion(half, logits), metrics.confusion(mask[..., :2], logits[:, :, :2]))
