"""What preflight asks, on labels as CCPD has them: plates of 120 to 300 px in photographs of 720x1160."""

import numpy as np
import pandas as pd
import pytest

from plates.columns import BOX, CORNERS
from plates.efficientdet.config import AugmentConfig, ModelConfig, TrainConfig
from plates.efficientdet.model.family import resolve
from plates.why import preflight

COUNT = 400
NAMES = {1: "plate"}


@pytest.fixture(scope="module")
def truth():
    random = np.random.default_rng(0)
    size = random.uniform([120, 40], [300, 110], (COUNT, 2))
    low = random.uniform([60, 300], [360, 700], (COUNT, 2))
    table = pd.DataFrame(np.concatenate([low, low + size], axis=1), columns=BOX)
    named = {"image_id": range(COUNT), "class": "plate", "width": 720, "height": 1160, "subset": "base"}
    return table.assign(split=np.repeat(["train", "train", "val", "test"], COUNT // 4), **named)


def asked(
    truth,
    train=None,
    augment=None,
    steps=500,
    momentum=0.925,
    detail=2.5,
    model="efficientdet-d0",
    ratios=None,
    names=NAMES,
    heads=("object_detection",),
):
    config = ModelConfig(name=model, image_size=512, aspect_ratios=ratios or [1.8, 2.5, 3.4], heads=list(heads))
    spec = resolve(config, num_classes=len(names))
    found = preflight.answers(
        truth,
        spec,
        TrainConfig(**(train or {})),
        AugmentConfig(**(augment or {})),
        names,
        steps,
        momentum,
        0.95,
        detail,
    )
    return {answer.question: answer for answer in found}


def wrong(answers):
    return {question for question, answer in answers.items() if not answer.holds}


def test_the_default_settings_pass(truth):
    assert wrong(asked(truth)) == set()


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({"augment": {"jitter_min": 0.1, "jitter_max": 2.0}}, "boxes survive augmentation"),
        ({"train": {"learning_rate": 2.4}}, "the rate fits"),
        ({"train": {"learning_rate": 2.4e-6}}, "the rate fits"),
        ({"train": {"batch_size": 1}}, "batch norm can settle"),
        ({"momentum": 0.999}, "batch norm can settle"),
        ({"detail": 1.0}, "boxes are on the plates"),
        ({"detail": None}, "boxes are on the plates"),
        ({"ratios": [0.1]}, "anchors reach the augmented boxes"),
    ],
)
def test_each_question_answers_no(truth, changes, question):
    assert question in wrong(asked(truth, **changes))


def test_atss_asks_for_no_iou(truth):
    question, far = "anchors reach the augmented boxes", {"ratios": [0.1]}
    assert asked(truth, **far)[question].hopeless
    answer = asked(truth, {"assignment": "atss"}, **far)[question]
    assert (answer.holds, answer.hopeless) == (False, False), "a mean IoU under 0.2"
    assert answer.figures == asked(truth, **far)[question].figures
    near = {"ratios": [0.6]}
    assert not asked(truth, **near)[question].holds
    assert asked(truth, {"assignment": "atss"}, **near)[question].holds


@pytest.mark.parametrize(("share", "holds"), [(1.0, True), (0.0, False)])
def test_pasting_needs_corners_if_it_is_asked_for(truth, share, holds):
    marked = truth.assign(**dict.fromkeys(CORNERS, np.nan))
    marked.loc[: share * COUNT - 1, CORNERS] = 1.0
    question = "objects can be pasted"
    assert asked(marked, augment={"copy_paste": 0.5})[question].holds is holds
    assert question not in asked(marked)


@pytest.mark.parametrize(("share", "holds"), [(1.0, True), (0.0, False)])
def test_a_head_for_corners_needs_corners(truth, share, holds):
    marked = truth.assign(**dict.fromkeys(CORNERS, np.nan))
    marked.loc[: share * COUNT - 1, CORNERS] = 1.0
    answer = asked(marked, heads=["object_detection", "corners"])["corners can be learned"]
    assert (answer.holds, answer.hopeless) == (holds, not holds)
    assert "corners can be learned" not in asked(marked)


def test_the_jitter_of_the_published_guide_passes(truth):
    assert "boxes survive augmentation" not in wrong(asked(truth, augment={"jitter_min": 0.8, "jitter_max": 1.2}))


def test_nothing_to_learn_is_hopeless(truth):
    answers = asked(truth.assign(**{"class": None}))
    assert answers["there is something to learn"].hopeless


def test_a_class_that_no_photograph_has_is_not_missed(truth):
    other = truth["class"].where(truth["split"] != "test", "green")
    names = NAMES | {2: "green"}
    assert asked(truth, names=names)["classes agree"].holds
    assert "of green: mAP counts" in asked(truth.assign(**{"class": other}), names=names)["classes agree"].said


def test_two_boxes_on_each_other_are_no_perfect_score(truth):
    doubled = pd.concat([truth, truth[truth["split"] == "test"].assign(**dict.fromkeys(BOX, 5.0))])
    assert "labels score 1.0 as detections" in wrong(asked(doubled))


@pytest.mark.parametrize("crop", [(1, 1), (0.75, 0.25)])
def test_survival_is_that_of_the_training_pictures(truth, crop, monkeypatch):
    """The same shares of lost boxes as the input pipeline's own windows leave, within what chance allows."""
    tf = pytest.importorskip("tensorflow")
    from plates.efficientdet.data import augment as own

    monkeypatch.setattr(own, "AIMED", 1.0)
    config = AugmentConfig(jitter_min=0.1, jitter_max=2.0, min_box_side=8.0, crop_width=crop[0], crop_height=crop[1])
    rows, spec = truth[truth["split"] == "train"], resolve(ModelConfig(name="efficientdet-d0"), num_classes=1)
    size, canvas = spec.image_size, spec.training_size(config)
    drawn = preflight.augmented(rows, rows, spec, config)
    yxyx = tf.constant(rows[["ymin", "xmin", "ymax", "xmax"]].to_numpy() / [1160, 720, 1160, 720], tf.float32)

    @tf.function
    def one(box, number):
        seed = tf.stack([number, 0])
        _, window = own.random_window(
            tf.constant(1160), tf.constant(720), size, config, seed, boxes=box[None], canvas=canvas
        )
        corners = own.to_network(own.box_corners(box[None]), tf.constant(1160), tf.constant(720), window)
        clipped, visible = own.clip(own.bounds(corners), canvas)
        classes, keep = own.usable(clipped, tf.constant([1]), visible, config)
        return keep[0] & (classes[0] > 0)

    numbers = tf.range(len(rows) * 8, dtype=tf.int32)
    kept = tf.map_fn(lambda n: one(yxyx[n % len(rows)], n), numbers, fn_output_signature=tf.bool).numpy()
    assert (~drawn.lost).mean() == pytest.approx(kept.mean(), abs=0.03)
    assert kept.mean() < 0.97
