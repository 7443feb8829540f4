"""What runs without TensorFlow gives the numbers of what runs with it."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.data import preprocess
from plates.efficientdet.data.augment import box_corners
from plates.efficientdet.inference import postprocess
from plates.efficientdet.inference.prepare import decode_ratio, prepare
from plates.efficientdet.inference.suppress import suppress
from plates.efficientdet.model.boxes import deltas_to_corners, deltas_to_yxyx
from plates.predict.picture import Picture

SIZE = (48, 80)
CONFIGS = [
    NmsConfig(),
    NmsConfig(sigma=0.3, score_thresh=0.2),
    NmsConfig(method="hard"),
    NmsConfig(method="hard", iou_thresh=0.3, score_thresh=0.4, max_output_size=5),
    NmsConfig(per_class=True),
    NmsConfig(method="hard", max_nms_inputs=40, per_class=True),
    NmsConfig(max_nms_inputs=30),
    NmsConfig(voting=0.6),
    NmsConfig(method="hard", voting=0.3, per_class=True),
]


def scene(seed: int, anchors: int = 60, classes: int = 3) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Logits and deltas of a picture with overlapping anchors, none of which has another's score."""
    random = np.random.default_rng(seed)
    centres = random.uniform(5, 45, (anchors, 2))
    sides = random.uniform(5, 25, (anchors, 2))
    outputs = {
        "class": random.normal(0, 1.5, (1, anchors, classes)).astype(np.float32),
        "box": random.normal(0, 0.3, (1, anchors, 4)).astype(np.float32),
        "corners": random.normal(0, 0.5, (1, anchors, 8)).astype(np.float32),
    }
    return outputs, np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)


def of_tensorflow(outputs: dict[str, np.ndarray], anchors: np.ndarray, nms: NmsConfig) -> dict[str, np.ndarray]:
    found = postprocess.detect(outputs, anchors, tf.ones(1), SIZE, nms)
    count = int(found["valid_len"][0])
    return {name: found[name].numpy()[0][:count] for name in ("boxes", "scores", "classes", "corners")}


def all_anchors(outputs: dict[str, np.ndarray], anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, corners = deltas_to_yxyx(outputs["box"], anchors), deltas_to_corners(outputs["corners"], anchors)
    return np.asarray(boxes), tf.math.sigmoid(outputs["class"]).numpy(), np.asarray(corners)


@pytest.mark.parametrize("nms", CONFIGS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_suppression_is_that_of_the_evaluation(nms: NmsConfig, seed: int) -> None:
    outputs, anchors = scene(seed)
    expected = of_tensorflow(outputs, anchors, nms)
    boxes, scores, corners = all_anchors(outputs, anchors)
    found = suppress(boxes[0], scores[0], nms, SIZE, corners=corners[0])
    assert len(found.scores) == len(expected["scores"]) > 0
    np.testing.assert_allclose(found.scores, expected["scores"], atol=1e-6)
    np.testing.assert_allclose(found.boxes, expected["boxes"], atol=1e-4)
    np.testing.assert_allclose(found.corners, expected["corners"], atol=1e-4)
    np.testing.assert_array_equal(found.classes, expected["classes"])


def test_nothing_over_the_threshold_is_no_detection() -> None:
    outputs, anchors = scene(0)
    boxes, scores, corners = all_anchors(outputs, anchors)
    found = suppress(boxes[0], scores[0] * 0.1, NmsConfig(score_thresh=0.5), SIZE, corners=corners[0])
    assert (found.boxes.shape, found.corners.shape) == ((0, 4), (0, 4, 2))
    assert len(found.scores) == len(found.classes) == 0


@pytest.mark.parametrize("voting", [None, 0.3])
def test_corners_go_with_their_box_and_change_none(voting: float | None) -> None:
    """Corners that are those of the anchors' boxes are those of the kept boxes, by NMS and by voting."""
    outputs, anchors = scene(1)
    boxes, scores, _ = all_anchors(outputs, anchors)
    corners = box_corners(boxes[0]).numpy()
    inside, nms = (10_000, 10_000), NmsConfig(voting=voting)
    boxes = boxes + 1000  # clipping is not looked at
    found = suppress(boxes[0], scores[0], nms, inside, corners=corners + 1000)
    plain = suppress(boxes[0], scores[0], nms, inside)
    np.testing.assert_array_equal(found.boxes, plain.boxes)
    assert plain.corners is None
    np.testing.assert_allclose(found.corners, box_corners(found.boxes), rtol=1e-6)


def jpeg(width: int, height: int, seed: int = 0) -> bytes:
    small = np.random.default_rng(seed).integers(0, 255, (height // 7 + 2, width // 7 + 2, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@given(width=st.integers(8, 700), height=st.integers(8, 700), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_a_jpeg_is_prepared_bit_for_bit_as_in_training(width: int, height: int, seed: int) -> None:
    assume(min(width, height) * min(SIZE[0] / height, SIZE[1] / width) >= 2)
    encoded = jpeg(width, height, seed)
    expected, scale = preprocess.load(tf.constant(encoded), SIZE)
    picture = Picture(encoded, "it")
    found = prepare(picture.reduced, (height, width), SIZE, preprocess.MEAN_RGB)
    np.testing.assert_array_equal(found.pixels, expected.numpy())
    assert found.scale == pytest.approx(float(scale), rel=1e-6)


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0.01, 3))
def test_the_decoder_shrinks_as_far_as_in_training(height: int, width: int, scale: float) -> None:
    expected = preprocess.decode_ratio(tf.constant(height), tf.constant(width), tf.constant(scale, tf.float32))
    assert decode_ratio((height, width), scale) == int(expected)
