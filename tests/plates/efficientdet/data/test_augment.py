"""Boxes, corners and masks go where the pixels go."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data import augment, autoaugment, image_ops, preprocess

SIZE = (64, 48)
BOX = (60, 40, 100, 92)  # ymin, xmin, ymax, xmax in the picture below, of 160 x 120 px
PLAIN = AugmentConfig(input_rand_hflip=False, jitter_min=1, jitter_max=1)


def picture(height: int = 160, width: int = 120, box: tuple[int, ...] = BOX) -> np.ndarray:
    """Dark, with a white box: an edge between them stays an edge under any geometry."""
    image = np.full((height, width, 3), 20, np.uint8)
    image[box[0] : box[2], box[1] : box[3]] = 255
    return image


def jpeg(image: np.ndarray) -> bytes:
    return tf.io.encode_jpeg(image, quality=98, chroma_downsampling=False).numpy()


def bright(image: np.ndarray) -> np.ndarray:
    """ymin, xmin, ymax, xmax around what is nearer to white than to dark."""
    rows, columns = np.nonzero(np.asarray(image).min(axis=-1) > 135)
    return np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])


def seen(config: AugmentConfig, seed: int, ratio: int | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Canvas, unclipped box and scale of the picture in a random window."""
    known = None if ratio is None else tf.constant(ratio)
    height, width = tf.constant(160), tf.constant(120)
    scale, window = augment.random_window(height, width, SIZE, config, tf.constant([0, seed]), known)
    pixels = preprocess.decode(tf.constant(jpeg(picture())), window)
    image = preprocess.render(pixels, window, SIZE)
    points = augment.box_corners(tf.constant([BOX], tf.float32) / [160.0, 120, 160, 120])
    return image.numpy(), augment.bounds(augment.to_network(points, height, width, window)).numpy()[0], float(scale)


@pytest.mark.parametrize("ratio", [None, 1, 2, 4])
def test_the_box_bounds_the_pixels_after_jitter_crop_and_flip(ratio):
    config = AugmentConfig(jitter_min=0.4, jitter_max=2.0)
    checked = 0
    for seed in range(60):
        image, box, _ = seen(config, seed, ratio)
        assert image.shape == (*SIZE, 3)
        clipped, visible = augment.clip(box[np.newaxis], SIZE)
        if visible[0] > 0.2:
            np.testing.assert_allclose(bright(image), clipped[0], atol=1.6)
            checked += 1
    assert checked > 30


def test_without_jitter_it_is_the_evaluation():
    image, box, scale = seen(PLAIN, 3)
    whole, original_per_network = preprocess.load(tf.constant(jpeg(picture())), SIZE)
    np.testing.assert_array_equal(image, whole)
    assert scale * float(original_per_network) == pytest.approx(1)
    np.testing.assert_allclose(box, np.array(BOX) * 0.4, atol=1e-4)


def test_a_mirrored_picture_is_the_mirrored_picture():
    flips = AugmentConfig(jitter_min=1, jitter_max=1)
    plain = seen(PLAIN, 0)[0]
    images = [seen(flips, seed) for seed in range(20)]
    mirrored = [image for image, _, _ in images if np.array_equal(image, plain[:, ::-1])]
    same = [image for image, _, _ in images if np.array_equal(image, plain)]
    assert len(mirrored) + len(same) == 20
    assert 4 < len(mirrored) < 16
    boxes = {tuple(np.round(box, 2).tolist()) for _, box, _ in images}
    np.testing.assert_allclose(sorted(boxes), [(24, 11.2, 40, 32), (24, 16, 40, 36.8)], atol=0.01)


def test_scales_and_places_cover_their_range():
    draws = [seen(AugmentConfig(input_rand_hflip=False, jitter_min=0.5, jitter_max=1.5), seed) for seed in range(80)]
    scales = np.array([scale for _, _, scale in draws]) / 0.4
    assert 0.48 <= scales.min() < 0.6
    assert 1.4 < scales.max() <= 1.5
    assert np.std([box[0] for _, box, _ in draws]) > 3


@given(st.integers(8, 4000), st.integers(8, 4000), st.floats(0.01, 3))
@settings(max_examples=50, deadline=None)
def test_decoding_never_makes_a_picture_that_must_be_enlarged(height, width, scale):
    ratio = int(preprocess.decode_ratio(tf.constant(height), tf.constant(width), tf.constant(scale, tf.float32)))
    assert ratio == 1 or scale * ratio <= 1 + 1e-6
    assert height % ratio == width % ratio == 0
    if height % 8 == width % 8 == 0 and ratio < 8:
        assert scale * ratio * 2 > 1


def test_a_window_holds_the_pixels_of_the_whole():
    noise = np.random.default_rng(0).integers(0, 255, (20, 15, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    data = tf.constant(jpeg(noise))
    whole = tf.io.decode_jpeg(data, channels=3, ratio=2).numpy()
    values = (2, 5, 7, 31, 40, 31, 40, 0, 0)
    window = preprocess.Window(*(tf.constant(value) for value in values), tf.constant(False))
    np.testing.assert_array_equal(preprocess.decode(data, window), whole[5:36, 7:47])


@pytest.mark.parametrize(("height", "width"), [(8, 385), (385, 8), (1, 3000), (2000, 1), (1, 1)])
def test_a_picture_of_any_shape_keeps_a_pixel_of_each_side(height: int, width: int) -> None:
    data = tf.constant(jpeg(np.full((height, width, 3), 200, np.uint8)))
    for seed in range(4):
        config = AugmentConfig(jitter_min=0.1, jitter_max=2)
        _, window = augment.random_window(tf.constant(height), tf.constant(width), SIZE, config, tf.constant([0, seed]))
        image = preprocess.render(preprocess.decode(data, window), window, SIZE)
        assert (image.numpy() == 200).any()
    image, _ = preprocess.load(data, SIZE)
    assert (image.numpy() == 200).any()


side = st.floats(-100, 150, width=32)


@given(
    st.lists(st.tuples(side, side, side, side), max_size=6),
    st.floats(0, 1),
    st.floats(0, 30, width=32, allow_subnormal=False),  # TensorFlow takes those for 0
)
@settings(max_examples=50, deadline=None)
def test_slivers_are_dropped_and_small_boxes_ignored(values, least, smallest):
    boxes = np.array(values, np.float32).reshape(-1, 4)
    boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + np.abs(boxes[:, 2:]) + 0.5], axis=1)
    config = AugmentConfig(min_visible_area=least, min_box_side=smallest)
    clipped, visible = augment.clip(tf.constant(boxes), SIZE)
    classes, keep = augment.usable(clipped, tf.ones(len(boxes), tf.int32), visible, config)
    for box, inner, share, label, kept in zip(boxes, clipped, visible, classes, keep, strict=True):
        low, high = np.maximum(box[:2], 0), np.minimum(box[2:], SIZE)
        area = np.prod(np.maximum(high - low, 0)) / np.prod(box[2:] - box[:2])
        assert float(share) == pytest.approx(area, abs=1e-4)
        assert bool(kept) == (float(share) >= np.float32(least) and float(share) > 0)
        assert (label < 0) == (float(min(inner[2:] - inner[:2])) < np.float32(smallest))


def test_any_part_of_a_region_to_ignore_stays():
    boxes, visible = tf.constant([[0.0, 0, 20, 20]] * 3), tf.constant([0.1, 0.1, 0.0])
    classes, keep = augment.usable(boxes, tf.constant([1, -1, -1]), visible, AugmentConfig(min_visible_area=0.3))
    assert keep.numpy().tolist() == [False, True, False]
    assert classes.numpy().tolist() == [1, -1, -1]


@given(st.tuples(*[st.floats(2, 46)] * 2, *[st.floats(4, 40)] * 2, st.floats(0, 6.28), st.booleans()))
@settings(max_examples=40, deadline=None)
def test_the_mask_is_the_quadrilateral(values):
    x, y, wide, high, angle, reverse = values
    corners = np.array([[wide, high], [-wide, high], [-wide, -high], [wide, -high]]) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = corners @ turn.T + [x, y]
    corners = corners[::-1] if reverse else corners
    mask = augment.mask_target(tf.constant(corners[np.newaxis, :, ::-1], tf.float32), tf.constant([3]), SIZE).numpy()
    assert mask.shape == (16, 12)
    assert set(np.unique(mask)) <= {0, 3}
    fine = Image.new("L", (480, 640))
    ImageDraw.Draw(fine).polygon([tuple(corner * 10) for corner in corners], fill=255)
    share = np.asarray(fine).reshape(16, 40, 12, 40).mean(axis=(1, 3)) / 255
    assert (mask[share > 0.98] == 3).all()
    assert (mask[share < 0.02] == 0).all()


def test_the_mask_of_a_later_plate_lies_on_top_and_none_is_background():
    square = np.array([[[32, 32], [32, 0], [0, 0], [0, 32]], [[16, 16], [16, 0], [0, 0], [0, 16]]], np.float32)
    mask = augment.mask_target(tf.constant(square), tf.constant([1, 2]), (30, 46)).numpy()
    assert mask.shape == (8, 12)
    assert (mask[:4, :4] == 2).all()
    assert (mask[4:8, :8] == 1).all()
    assert (mask[:, 8:] == 0).all()
    ignored = augment.mask_target(tf.constant(square), tf.constant([1, -2]), (30, 46)).numpy()
    assert np.array_equal(ignored, np.where(mask == 2, augment.NOT_COUNTED, mask))
    assert not augment.mask_target(tf.zeros([0, 4, 2]), tf.zeros([0], tf.int32), (30, 46)).numpy().any()


PILLOW = {
    "autocontrast": (image_ops.autocontrast, ImageOps.autocontrast, 1),
    "equalize": (image_ops.equalize, ImageOps.equalize, 0),
    "posterize": (lambda x: image_ops.posterize(x, 3), lambda x: ImageOps.posterize(x, 3), 0),
    "solarize": (lambda x: image_ops.solarize(x, 100), lambda x: ImageOps.solarize(x, 100), 0),
    "color": (lambda x: image_ops.color(x, 1.7), lambda x: ImageEnhance.Color(x).enhance(1.7), 2),
    "contrast": (lambda x: image_ops.contrast(x, 0.4), lambda x: ImageEnhance.Contrast(x).enhance(0.4), 1),
    "brightness": (lambda x: image_ops.brightness(x, 1.3), lambda x: ImageEnhance.Brightness(x).enhance(1.3), 1),
    "sharpness": (lambda x: image_ops.sharpness(x, 0.0), lambda x: x.filter(ImageFilter.SMOOTH), 1),
}


@pytest.mark.parametrize("name", PILLOW)
def test_colours_change_as_in_pillow(name):
    ours, theirs, tolerance = PILLOW[name]
    draw = np.random.default_rng(1)
    image = (draw.gamma(2, 30, (37, 41, 3)).clip(10, 240)).astype(np.uint8)
    expected = np.asarray(theirs(Image.fromarray(image))).astype(int)
    assert np.abs(ours(tf.constant(image)).numpy().astype(int) - expected).max() <= tolerance
    flat = np.full((5, 4, 3), 77, np.uint8)
    expected = np.asarray(theirs(Image.fromarray(flat))).astype(int)
    assert np.abs(ours(tf.constant(flat)).numpy().astype(int) - expected).max() <= tolerance


def test_solarize_add_changes_only_the_dark():
    values = np.array([0, 27, 127, 128, 255], np.uint8).reshape(1, 5, 1).repeat(3, -1)
    added = image_ops.solarize_add(tf.constant(values), 110).numpy()
    assert added[0, :, 0].tolist() == [110, 137, 237, 128, 255]


def scene() -> autoaugment.Scene:
    boxes = tf.constant([BOX], tf.float32)
    return autoaugment.Scene(tf.constant(picture()), boxes, augment.box_corners(boxes), tf.ones([1]))


@pytest.mark.parametrize("sign", [0.2, 0.8])
@pytest.mark.parametrize("name", ["TranslateX", "TranslateY", "ShearX", "ShearY", "Rotate"])
def test_boxes_and_corners_move_with_the_pixels(name, sign):
    draw = tf.constant([0.0, sign, 0.5, 0.5])
    moved = autoaugment.operate(scene(), f"{name}_BBox", 0.6, draw)
    assert not np.array_equal(moved.image, picture())
    np.testing.assert_allclose(bright(moved.image), moved.boxes[0], atol=1.5)
    clipped, _ = augment.clip(augment.bounds(moved.corners), (160, 120))
    np.testing.assert_allclose(clipped[0], moved.boxes[0], atol=1e-3)
    assert float(moved.visible[0]) > 0.99


def test_what_is_moved_out_is_no_longer_visible():
    moved = autoaugment.operate(scene(), "TranslateX_BBox", 1.0, tf.constant([0.0, 0.9, 0, 0]))
    assert float(moved.visible[0]) == pytest.approx((120 - (40 + 250 * 120 / 640)) / 52, abs=1e-3)
    moved = autoaugment.operate(moved, "TranslateX_BBox", 1.0, tf.constant([0.0, 0.9, 0, 0]))
    assert float(moved.visible[0]) == 0


@pytest.mark.parametrize("name", ["Rotate", "ShearX", "ShearY"])
def test_what_was_cut_off_is_counted_once_and_does_not_come_back(name):
    cut = autoaugment.operate(scene(), "TranslateX_BBox", 1.0, tf.constant([0.0, 0.9, 0, 0]))
    left = float(cut.visible[0])
    assert 0.2 < left < 0.9
    turned = autoaugment.operate(cut, f"{name}_BBox", 0.02, tf.constant([0.0, 0.9, 0, 0]))
    assert float(turned.visible[0]) == pytest.approx(left, abs=0.05)
    back = autoaugment.operate(cut, f"{name}_BBox", 0.02, tf.constant([0.0, 0.2, 0, 0]))
    for moved in (turned, back):
        np.testing.assert_allclose(bright(moved.image), moved.boxes[0], atol=2.5)


def test_cutouts_are_grey_and_where_they_should_be():
    cut = autoaugment.operate(scene(), "Cutout", 0.8, tf.constant([0.0, 0.5, 0.5, 0])).image.numpy()
    assert (cut[80 - 20 : 80 + 20, 60 - 20 : 60 + 20] == 128).all()
    assert (cut != picture()).any(axis=-1).sum() == 40 * 40
    cut = autoaugment.operate(scene(), "BBox_Cutout", 1.0, tf.constant([0.0, 0.0, 0.5, 0.5])).image.numpy()
    changed = np.argwhere((cut != picture()).any(axis=-1))
    assert changed.min(axis=0).tolist() == [65, 46]
    assert changed.max(axis=0).tolist() == [94, 85]


@pytest.mark.parametrize("policy", [*autoaugment.POLICIES, "randaug"])
def test_every_policy_runs_and_repeats(policy):
    @tf.function(autograph=False)
    def distort(seed: tf.Tensor) -> autoaugment.Scene:
        start = scene()
        return autoaugment.distort(*start, policy, seed)

    kinds = set()
    for number in range(25):
        once, again = distort(tf.constant([1, number])), distort(tf.constant([1, number]))
        for first, second in zip(once, again, strict=True):
            np.testing.assert_array_equal(first, second)
        assert once.image.shape == (160, 120, 3)
        assert once.image.dtype == tf.uint8
        assert (once.boxes.numpy() >= 0).all()
        assert (once.boxes.numpy()[:, 2:] <= [160, 120]).all()
        assert 0 <= float(once.visible[0]) <= 1 + 1e-6
        kinds.add(once.image.numpy().tobytes())
    assert len(kinds) > 4


def test_only_boxes_change_only_inside_the_box():
    steps = [("ShearY_Only_BBoxes", 3.0, 10), ("Equalize_Only_BBoxes", 3.0, 10), ("Cutout_Only_BBoxes", 3.0, 10)]
    noisy = np.random.default_rng(2).integers(0, 255, (160, 120, 3), np.uint8)
    start = scene()._replace(image=tf.constant(noisy))
    for step in steps:
        end = autoaugment.chain(start, [step], tf.zeros([1, 4]), tf.constant([3, 4]))
        changed = np.argwhere((end.image.numpy() != noisy).any(axis=-1))
        assert len(changed)
        assert (changed.min(axis=0) >= BOX[:2]).all()
        assert (changed.max(axis=0) < BOX[2:]).all()
        np.testing.assert_array_equal(end.boxes, start.boxes)


boxed = st.tuples(st.floats(0, 0.8), st.floats(0, 0.8), st.floats(0.05, 0.2), st.floats(0.05, 0.2))


@given(st.lists(boxed, max_size=3), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_crop_shows_one_of_the_boxes_whole(drawn, seed):
    """Or it is one of those that are taken anywhere, which need not show any."""
    config = AugmentConfig(jitter_min=0.8, jitter_max=1.2, input_rand_hflip=False)
    boxes = np.array([(y, x, y + h, x + w) for y, x, h, w in drawn], np.float32).reshape(-1, 4)
    height, width, size = tf.constant(1160), tf.constant(720), (256, 160)
    scale, window = augment.random_window(
        height, width, size, config, tf.constant([0, seed]), boxes=tf.constant(boxes), canvas=(64, 64)
    )
    assert 0.17 < float(scale) < 0.27
    assert (int(window.out_height), int(window.out_width)) == (64, 64)
    points = augment.to_network(augment.box_corners(tf.constant(boxes)), height, width, window)
    _, visible = augment.clip(augment.bounds(points), (64, 64))
    shown = not len(boxes) or visible.numpy().max() > 0.97
    event("shown" if shown else "elsewhere")
    assert shown or anywhere(seed)


def anywhere(seed):
    """Whether the crop of this seed is taken without regard to objects."""
    draw = tf.random.stateless_uniform([2], tf.random.experimental.stateless_fold_in(tf.constant([0, seed]), 2))
    return float(draw[0]) >= augment.AIMED
