import numpy as np
import pytest
import tensorflow as tf

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference import postprocess
from plates.efficientdet.model import anchors, boxes

SIZE = (64, 96)
GRID = np.concatenate(list(anchors.per_level(SIZE, range(3, 5), 1, [1.0], 2.0).values()))


def outputs(found, classes=1, batch=1):
    """What a network says that sees `found` [(box, class from 1, logit)]: each at the next free anchor."""
    logits = np.full((batch, len(GRID), classes), -20.0, np.float32)
    deltas = np.zeros((batch, len(GRID), 4), np.float32)
    for row, (box, number, logit) in enumerate(found):
        logits[:, row, number - 1] = logit
        deltas[:, row] = boxes.yxyx_to_deltas(np.array([box], np.float32), GRID[row : row + 1])[0]
    return {"class": logits, "box": deltas}


def detect(found, scales=(1.0,), classes=1, **nms):
    batch = len(scales)
    result = postprocess.detect(
        outputs(found, classes, batch), GRID, np.array(scales, np.float32), SIZE, NmsConfig(**nms)
    )
    return {name: value.numpy() for name, value in result.items()}


PLATE, SHIFTED, OTHER = (10, 10, 30, 50), (12, 12, 32, 52), (40, 60, 60, 90)


def test_hard_nms_keeps_the_best_of_what_overlaps():
    found = detect([(PLATE, 1, 1.0), (SHIFTED, 1, 2.0), (OTHER, 1, 0.5)], method="hard", score_thresh=0.5)
    assert found["valid_len"].tolist() == [2]
    np.testing.assert_allclose(found["boxes"][0, :2], [SHIFTED, OTHER], atol=1e-3)
    np.testing.assert_allclose(found["scores"][0, :2], 1 / (1 + np.exp([-2.0, -0.5])), rtol=1e-5)
    assert found["classes"][0, :3].tolist() == [1, 1, 0]


def test_gaussian_nms_lowers_a_score_by_the_formula():
    """exp(-iou^2 / sigma): Soft-NMS, arXiv:1704.04503, equation 3."""
    found = detect([(PLATE, 1, 1.0), (SHIFTED, 1, 2.0)], sigma=0.4, score_thresh=0.01)
    overlap = 18 * 38 / (2 * 800 - 18 * 38)
    lowered = np.exp(-(overlap**2) / 0.4) / (1 + np.exp(-1))
    np.testing.assert_allclose(found["scores"][0, :2], [1 / (1 + np.exp(-2)), lowered], rtol=1e-4)


def test_each_class_on_its_own_or_all_together():
    both = [(PLATE, 1, 2.0), (PLATE, 3, 1.0)]
    options = {"classes": 3, "method": "hard", "score_thresh": 0.3}
    assert detect(both, per_class=True, **options)["valid_len"].tolist() == [2]
    assert detect(both, per_class=True, **options)["classes"][0, :2].tolist() == [1, 3]
    assert detect(both, **options)["valid_len"].tolist() == [1]


def test_boxes_are_clipped_and_scaled_each_by_its_image():
    found = detect([((-5, -5, 30, 120), 1, 3.0)], scales=(1.0, 2.5), score_thresh=0.5)
    np.testing.assert_allclose(found["boxes"][:, 0], [[0, 0, 30, 96], [0, 0, 75, 240]], atol=1e-2)


def test_nothing_found_is_all_zeros():
    found = detect([], score_thresh=0.5)
    assert found["valid_len"].tolist() == [0]
    assert not any(found[name].any() for name in ("boxes", "scores", "classes"))


@pytest.mark.parametrize("per_class", [False, True])
def test_the_best_inputs_are_enough_to_find_the_best_boxes(per_class):
    random = np.random.default_rng(0)
    many = [((y, x, y + 12, x + 20), random.integers(1, 3), random.normal()) for y in (2, 22, 42) for x in (3, 35, 70)]
    options = {"classes": 2, "method": "hard", "max_output_size": 4, "per_class": per_class}
    every, best = detect(many, **options), detect(many, max_nms_inputs=9, **options)
    for name in every:
        np.testing.assert_allclose(every[name], best[name], rtol=1e-6)


def test_it_goes_into_a_saved_model_for_any_batch(tmp_path):
    class Module(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, len(GRID), 2]),
                tf.TensorSpec([None, len(GRID), 4]),
                tf.TensorSpec([None]),
            ]
        )
        def __call__(self, logits, deltas, scales):
            nms = NmsConfig(per_class=True, score_thresh=0.5, max_nms_inputs=50)
            return postprocess.detect({"class": logits, "box": deltas}, GRID, scales, SIZE, nms)

    tf.saved_model.save(Module(), str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for batch in (1, 3):
        made = outputs([(PLATE, 2, 2.0), (OTHER, 1, 1.0)], classes=2, batch=batch)
        found = loaded(made["class"], made["box"], np.ones(batch, np.float32))
        assert found["valid_len"].numpy().tolist() == [2] * batch
        np.testing.assert_allclose(found["boxes"][-1, :2], [PLATE, OTHER], atol=1e-3)
        assert found["classes"][-1, :2].numpy().tolist() == [2, 1]
