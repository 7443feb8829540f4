"""A plate arrives in another picture as it was in its own, with its labels."""

import numpy as np
import pytest
import tensorflow as tf

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data import copy_paste
from plates.efficientdet.data.augment import bounds, mask_target
from plates.efficientdet.data.copy_paste import Scene
from plates.efficientdet.data.preprocess import Window

SIZE = (96, 128)
ROOM = (80, 112)
TURNED = np.array([[50, 70], [42, 30], [30, 32], [38, 72]], np.float32)  # bottom right to top right, as y, x
BOX = np.array([[52, 74], [52, 28], [28, 28], [28, 74]], np.float32)
EXACT = {"jitter_min": 1, "jitter_max": 1}


def donor(classes=(2,), has_corners=True):
    """A picture of noise in the size of the canvas, with one plate in it, decoded."""
    pixels = np.random.default_rng(0).integers(100, 256, (*SIZE, 3)).astype(np.uint8)
    count = len(classes)
    return {
        "pixels": tf.constant(pixels),
        "height": tf.constant(SIZE[0]),
        "width": tf.constant(SIZE[1]),
        "classes": tf.constant(classes, tf.int32),
        "points": tf.constant(np.tile(BOX / SIZE, (count, 1, 1)).astype(np.float32).reshape(-1, 4, 2)),
        "corners": tf.constant(np.tile(TURNED / SIZE, (count, 1, 1)).astype(np.float32).reshape(-1, 4, 2)),
        "has_corners": tf.constant(has_corners),
    }


def host(boxes=()):
    """A dark picture with objects at `boxes` (yxyx), the first of them ignored; it ends before the canvas does."""
    flat = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.stack([flat[:, [2, 3]], flat[:, [2, 1]], flat[:, [0, 1]], flat[:, [0, 3]]], axis=1)
    classes = tf.where(tf.range(len(flat)) == 0, -1, 1)
    scene = Scene(tf.constant(np.full((*SIZE, 3), 7, np.uint8)), tf.constant(points), tf.constant(points), classes)
    numbers = (1, 0, 0, *ROOM, *ROOM, 8, 16)
    return scene, Window(*(tf.constant(number) for number in numbers), tf.constant(False))


def pasted(seed, boxes=(), of=None, **settings):
    scene, room = host(boxes)
    config = AugmentConfig(**({"copy_paste": 1.0} | EXACT | settings))
    found = copy_paste.paste(scene, room, of or donor(), config, SIZE, tf.constant([seed, 0]), tf.constant(1))
    return Scene(*(values.numpy() for values in found))


@pytest.mark.parametrize("mirror", [False, True])
def test_the_pixels_and_the_labels_are_those_of_the_plate(mirror):
    source = donor()["pixels"].numpy()
    moved, shapes = set(), set()
    for seed in range(20):
        found = pasted(seed, input_rand_hflip=mirror)
        assert found.classes.tolist() == [2]
        expected, points, corners = source, BOX, TURNED
        mirrored = found.points[0, 0, 1] < found.points[0, 1, 1]
        if mirrored:
            expected = source[:, ::-1]
            points, corners = (np.stack([p[:, 0], SIZE[1] - p[:, 1]], axis=1) for p in (BOX, TURNED))
            corners = corners[[1, 0, 3, 2]]  # what was at the right is now at the left
        shift = np.round(found.points[0, 0] - points[0]).astype(int)
        np.testing.assert_allclose(found.points[0], points + shift, atol=1e-3)
        np.testing.assert_allclose(found.corners[0], corners + shift, atol=1e-3)
        inside = mask_target(tf.constant(found.corners), tf.constant([1]), SIZE, 1).numpy() > 0
        assert inside.sum() == pytest.approx(500, rel=0.1)
        rows, columns = np.nonzero(inside)
        np.testing.assert_array_equal(found.image[rows, columns], expected[rows - shift[0], columns - shift[1]])
        assert (found.image[~inside] == 7).all()
        moved.add(tuple(shift))
        shapes.add(bool(mirrored))
    assert len(moved) > 15
    assert shapes == ({False, True} if mirror else {False})


def test_it_lies_in_the_picture_and_covers_no_other_object_not_even_an_ignored_one():
    others = [(8, 16, 40, 60), (60, 90, 88, 128)]
    free = 0
    for seed in range(30):
        found = pasted(seed, others, jitter_min=0.6, jitter_max=1.2)
        assert found.classes[:2].tolist() == [-1, 1]
        for values in (found.points[2:], found.corners[2:]):
            for top, left, bottom, right in bounds(tf.constant(values)).numpy():
                free += 1
                assert top >= 8
                assert left >= 16
                assert bottom <= 8 + ROOM[0]
                assert right <= 16 + ROOM[1]
                for y, x, low, far in others:
                    assert bottom <= y or top >= low or right <= x or left >= far
    assert free > 20


def test_it_is_scaled_as_in_a_training_picture_of_its_own():
    sides = []
    for seed in range(25):
        (box,) = bounds(tf.constant(pasted(seed, jitter_min=0.5, jitter_max=1.5).points)).numpy()
        sides.append((box[3] - box[1]) / 46)
        assert (box[2] - box[0]) / 24 == pytest.approx(sides[-1], abs=0.15)
    assert min(sides) < 0.65
    assert max(sides) > 1.35


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"of": donor(has_corners=False)}, {}),
        ({"of": donor(classes=())}, {}),
        ({"of": donor(classes=(-2,))}, {}),
        ({"boxes": [(0, 0, 96, 128)]}, {}),
        ({"boxes": [(40, 0, 56, 128)]}, {"jitter_min": 1.4, "jitter_max": 1.4}),
        ({}, {"min_box_side": 60.0}),
        ({}, {"jitter_min": 3, "jitter_max": 3}),
        ({}, {"copy_paste": 0.0}),
    ],
    ids=["no corners", "no plate", "to be ignored", "no room", "little room", "too small", "too large", "never"],
)
def test_nothing_is_pasted(given, settings):
    for seed in range(4):
        found, scene = pasted(seed, **given, **settings), host(given.get("boxes", ()))[0]
        for ours, theirs in zip(found, scene, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_share_is_that_of_the_setting():
    count = sum(len(pasted(seed, copy_paste=0.3).classes) for seed in range(60))
    assert 6 <= count <= 30
