"""One example as a training or evaluation sample, in TensorFlow ops: parse, decode, augment, pad."""

from dataclasses import dataclass, replace
from functools import partial

import tensorflow as tf

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data import copy_paste, preprocess
from plates.efficientdet.data.augment import (
    MASK_STRIDE,
    bounds,
    box_corners,
    clip,
    in_order,
    mask_target,
    pixels_of,
    random_window,
    to_network,
    usable,
)
from plates.efficientdet.data.autoaugment import distort
from plates.efficientdet.model.backbone_tables import MEAN_RGB
from plates.efficientdet.model.family import Spec

Sample = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Pictures:
    """How pictures are prepared for the network.

    `size` is (H, W) in px, `mean_rgb` the padding on 0-255, `mask` adds the mask target in cells of `mask_stride` px,
    `corners` the plates' corners, `exact` keeps float values between decoding and model, as the reference does
    (evaluation only). `canvas` is the size of a training picture, where that is a crop.
    """

    size: tuple[int, int]
    mean_rgb: tuple[float, float, float] = MEAN_RGB
    mask: bool = False
    exact: bool = False
    mask_stride: int = MASK_STRIDE
    canvas: tuple[int, int] | None = None
    corners: bool = False


def pictures(spec: Spec, augment: AugmentConfig | None = None) -> Pictures:
    """How the network of `spec` wants its pictures, with what its heads learn; with `augment`, for training."""
    red, green, blue = spec.mean_rgb
    return Pictures(
        spec.image_size,
        (red, green, blue),
        mask="segmentation" in spec.heads,
        mask_stride=spec.mask_stride,
        canvas=spec.training_size(augment) if augment else None,
        corners="corners" in spec.heads,
    )


_SIDES = ("ymin", "xmin", "ymax", "xmax")
_LABEL = "image/object/class/label"
_list_of = partial(tf.io.FixedLenSequenceFeature, shape=[], allow_missing=True)


def labels(example: tf.Tensor) -> tf.Tensor:
    """Class ids [n] int32 of a serialized example."""
    return tf.cast(tf.io.parse_single_example(example, {_LABEL: _list_of(dtype=tf.int64)})[_LABEL], tf.int32)


def parse(example: tf.Tensor) -> Sample:
    """A serialized example as tensors: `jpeg`, `image_id`, `height`, `width`, `classes` [n] and two point sets.

    `points` [n, 4, 2] are the boxes' corners as y, x in 0..1, `corners` the plates' (the boxes' if the example has
    none: not `has_corners`). The class of a crowd is negative; boxes without area are left out.
    """
    features = tf.io.parse_single_example(
        example,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/source_id": tf.io.FixedLenFeature([], tf.string),
            "image/height": tf.io.FixedLenFeature([], tf.int64),
            "image/width": tf.io.FixedLenFeature([], tf.int64),
            _LABEL: _list_of(dtype=tf.int64),
            "image/object/is_crowd": _list_of(dtype=tf.int64),
            "image/object/corners": _list_of(dtype=tf.float32),
            **{f"image/object/bbox/{side}": _list_of(dtype=tf.float32) for side in _SIDES},
        },
    )
    boxes = tf.stack([features[f"image/object/bbox/{side}"] for side in _SIDES], axis=-1)
    classes = tf.cast(features[_LABEL], tf.int32)
    crowd = features["image/object/is_crowd"]
    crowd = tf.concat([crowd, tf.zeros([tf.size(classes) - tf.size(crowd)], tf.int64)], axis=0) > 0
    points = box_corners(boxes)
    flat = features["image/object/corners"]
    has_corners = tf.size(flat) == 8 * tf.size(classes)
    corners = tf.cond(has_corners, lambda: tf.reshape(flat, [-1, 4, 2])[..., ::-1], lambda: points)
    real = tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=-1)
    return {
        "jpeg": features["image/encoded"],
        "image_id": tf.strings.to_number(features["image/source_id"], tf.int64),
        "height": tf.cast(features["image/height"], tf.int32),
        "width": tf.cast(features["image/width"], tf.int32),
        "classes": tf.boolean_mask(tf.where(crowd, -classes, classes), real),
        "points": tf.boolean_mask(points, real),
        "corners": tf.boolean_mask(corners, real),
        "has_corners": has_corners,
    }


def decoded(sample: Sample, ratio: int) -> Sample:
    """The sample with the whole picture's `pixels`, uint8 at 1/`ratio`, in place of its JPEG."""
    rest = {name: value for name, value in sample.items() if name != "jpeg"}
    return {**rest, "pixels": tf.io.decode_jpeg(sample["jpeg"], channels=3, ratio=ratio)}


def augmented(
    sample: Sample,
    position: tf.Tensor,
    seed: int,
    pictures: Pictures,
    config: AugmentConfig,
    ratio: int | None,
    donor: Sample | None = None,
) -> Sample:
    """The training sample at `position`, the same for the same `seed`.

    `position` is int64, counted from the start of training.
    `ratio`: the samples carry pixels decoded at it (`decoded`); None: a JPEG.
    `donor`: another sample, of which an object may be pasted.
    """
    height, width, size = sample["height"], sample["width"], pictures.canvas or pictures.size
    drawn = tf.stack([tf.constant(seed, tf.int64), position])
    known = None if ratio is None else tf.constant(ratio)
    boxes = tf.boolean_mask(bounds(sample["points"]), sample["classes"] > 0)
    scale, window = random_window(height, width, pictures.size, config, drawn, known, boxes, size)
    image = preprocess.render(pixels_of(sample, window), window, size, pictures.mean_rgb)
    points, corners = (to_network(sample[name], height, width, window) for name in ("points", "corners"))
    corners = in_order(corners, window.flip)
    scene = copy_paste.Scene(image, points, corners, sample["classes"])
    if donor is not None:
        fold = tf.random.experimental.stateless_fold_in(drawn, 3)
        scene = copy_paste.paste(scene, window, donor, config, pictures.size, fold, known)
    image, corners = scene.image, scene.corners
    boxes, visible = clip(bounds(scene.points), size)
    if config.autoaugment_policy:
        fold = tf.random.experimental.stateless_fold_in(drawn, 1)
        image, boxes, corners, visible = distort(image, boxes, corners, visible, config.autoaugment_policy, fold)
    classes, keep = usable(boxes, scene.classes, visible, config)
    outside = (visible == 0) & (size != pictures.size)
    counted = {"gt_dropped": ~keep & ~outside, "gt_outside": outside}
    if donor is not None:
        counted["gt_pasted"] = tf.range(tf.size(scene.classes)) >= tf.size(sample["classes"])
    painted, classes, boxes, corners = (
        tf.boolean_mask(values, keep) for values in (scene.classes, classes, boxes, corners)
    )
    output = _output(sample, image, scale, boxes, classes, corners, painted, replace(pictures, size=size))
    return output | {name: tf.reduce_sum(tf.cast(flags, tf.int32)) for name, flags in counted.items()}


def whole(sample: Sample, pictures: Pictures) -> Sample:
    """The evaluation sample: the whole picture, as `preprocess.load` prepares it."""
    scale, window = preprocess.whole(sample["height"], sample["width"], pictures.size, pictures.exact)
    pixels = preprocess.decode(sample["jpeg"], window)
    image = preprocess.render(pixels, window, pictures.size, pictures.mean_rgb, pictures.exact)
    points, corners = (
        to_network(sample[name], sample["height"], sample["width"], window) for name in ("points", "corners")
    )
    boxes, _ = clip(bounds(points), pictures.size)
    return _output(sample, image, scale, boxes, sample["classes"], corners, sample["classes"], pictures)


def padded(sample: Sample, max_boxes: int) -> Sample:
    """The sample with its boxes, classes and corners padded to `max_boxes` rows of zeros."""
    missing = max_boxes - tf.size(sample["gt_classes"])
    shapes = {"gt_boxes": [4], "gt_classes": [], "gt_corners": [4, 2]}
    full = {
        name: tf.ensure_shape(tf.pad(sample[name], [[0, missing], *[[0, 0]] * len(shape)]), [max_boxes, *shape])
        for name, shape in shapes.items()
        if name in sample
    }
    return sample | full


def _output(
    sample: Sample,
    image: tf.Tensor,
    scale: tf.Tensor,
    boxes: tf.Tensor,
    classes: tf.Tensor,
    corners: tf.Tensor,
    painted: tf.Tensor,
    pictures: Pictures,
) -> Sample:
    """`painted` are the classes for the mask, where a box too small to learn still is an object."""
    output = {
        "images": image,
        "gt_boxes": boxes,
        "gt_classes": classes,
        "image_id": sample["image_id"],
        "image_scale": 1.0 / scale,
    }
    if pictures.corners:
        output["gt_corners"] = tf.where(sample["has_corners"], corners, float("nan"))
    if pictures.mask:
        output["mask"] = mask_target(corners, painted, pictures.size, pictures.mask_stride)
    return output
