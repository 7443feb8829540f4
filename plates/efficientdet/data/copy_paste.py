"""Pastes an object of one training picture into another, cut out along its four corners (after arXiv:2012.07177)."""

from typing import NamedTuple

import tensorflow as tf

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data.augment import (
    bounds,
    box_corners,
    in_order,
    mask_target,
    pixels_of,
    to_network,
    window_of,
)
from plates.efficientdet.data.preprocess import Window, decode_ratio, fit, render

TRIES = 16
"""Random places of which the first free one is taken."""


class Scene(NamedTuple):
    """A training picture: `image` [H, W, 3], and `points`, `corners` [n, 4, 2] (y, x in px) and `classes` [n]."""

    image: tf.Tensor
    points: tf.Tensor
    corners: tf.Tensor
    classes: tf.Tensor


def paste(
    scene: Scene,
    room: Window,
    donor: dict[str, tf.Tensor],
    config: AugmentConfig,
    size: tuple[int, int],
    seed: tf.Tensor,
    ratio: tf.Tensor | None = None,
) -> Scene:
    """The scene with one more object, in a share of `config.copy_paste` of the scenes; the same for the same `seed`.

    A random object of the donor that is labelled with corners is scaled and mirrored as in a training picture of its
    own, and put where it covers no other object, be it ignored. The scene stays as it is if the donor has no such
    object, if it would be too small to learn (`config.min_box_side`), or if no free place is found.

    Args:
        room: the window that the scene shows; the object is put inside its picture.
        donor: another sample (`samples.parse`, or decoded at 1/`ratio`).
        size: (H, W) in px that a picture is fitted into; not that of the image, which may be a crop.
    """
    draw = tf.random.stateless_uniform([4 + 2 * TRIES], seed)
    choices = tf.where((donor["classes"] > 0) & donor["has_corners"])[:, 0]

    def attempt() -> Scene:
        chosen = choices[tf.cast(draw[1] * tf.cast(tf.size(choices), tf.float32), tf.int32)]
        cut = _cut(donor, chosen, config, size, draw[2], draw[3], ratio)
        place, free = _free_place(scene, room, cut, tf.reshape(draw[4:], [TRIES, 2]))
        sides = bounds(cut.points)[0, 2:] - bounds(cut.points)[0, :2]
        fits = free & (tf.reduce_min(sides) >= config.min_box_side)
        return tf.cond(fits, lambda: _put(scene, donor, cut, place), lambda: scene)

    return tf.cond((tf.size(choices) > 0) & (draw[0] < config.copy_paste), attempt, lambda: scene)


class _Cut(NamedTuple):
    """An object in the window around its corners, at the top left: `points` and `corners` [1, 4, 2], `classes` [1]."""

    window: Window
    points: tf.Tensor
    corners: tf.Tensor
    classes: tf.Tensor


def _cut(
    donor: dict[str, tf.Tensor],
    chosen: tf.Tensor,
    config: AugmentConfig,
    size: tuple[int, int],
    jitter: tf.Tensor,
    mirror: tf.Tensor,
    ratio: tf.Tensor | None,
) -> _Cut:
    """The object `chosen` of the donor; `jitter` and `mirror` are drawn from 0 to 1."""
    height, width = donor["height"], donor["width"]
    factor = config.jitter_min + jitter * (config.jitter_max - config.jitter_min)
    wanted = tf.cast(tf.cast(tf.constant(size), tf.float32) * factor, tf.int32)
    scale, *scaled = fit(height, width, wanted[0], wanted[1])
    sides = tf.cast(tf.stack(scaled), tf.float32)
    points, corners = donor["points"][chosen][tf.newaxis], donor["corners"][chosen][tf.newaxis]
    hull = bounds(tf.clip_by_value(corners, 0.0, 1.0) * sides)[0]
    low, high = tf.cast(tf.floor(hull[:2]), tf.int32), tf.cast(tf.math.ceil(hull[2:]), tf.int32)
    flip = (mirror < 0.5) if config.input_rand_hflip else tf.constant(False)
    ratio = decode_ratio(height, width, scale) if ratio is None else ratio
    out = tf.maximum(high - low, 1)
    window = window_of(height, width, ratio, tf.stack(scaled), low, out, tf.zeros_like(out), flip)
    points, corners = (to_network(values, height, width, window) for values in (points, corners))
    corners = in_order(corners, flip)
    return _Cut(window, points, corners, donor["classes"][chosen][tf.newaxis])


def _free_place(scene: Scene, room: Window, cut: _Cut, draw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the cut goes (y, x in px of the canvas), and whether that is free; `draw` [TRIES, 2] from 0 to 1."""
    whole = box_corners(tf.cast([[0, 0, cut.window.out_height, cut.window.out_width]], tf.float32))
    extent = bounds(tf.concat([cut.points, cut.corners, whole], axis=1))[0]
    start = tf.cast(tf.floor(extent[:2]), tf.int32)
    sides = tf.cast(tf.math.ceil(extent[2:]), tf.int32) - start
    spare = tf.stack([room.out_height, room.out_width]) - sides
    low = tf.stack([room.place_top, room.place_left])
    low += tf.cast(draw * tf.cast(tf.maximum(spare, 0) + 1, tf.float32), tf.int32)
    tried = tf.cast(tf.concat([low, low + sides], axis=-1), tf.float32)[:, tf.newaxis]
    taken = bounds(tf.concat([scene.points, scene.corners], axis=1))
    covers = tf.reduce_all((tried[..., :2] < taken[:, 2:]) & (tried[..., 2:] > taken[:, :2]), axis=-1)
    free = ~tf.reduce_any(covers, axis=-1) & tf.reduce_all(spare >= 0)
    return low[tf.argmax(tf.cast(free, tf.int32))] - start, tf.reduce_any(free)


def _put(scene: Scene, donor: dict[str, tf.Tensor], cut: _Cut, place: tf.Tensor) -> Scene:
    """The scene with the cut at `place`: the pixels whose centre is inside the corners are the donor's."""
    height, width = scene.image.shape[:2]
    window = cut.window._replace(place_top=place[0], place_left=place[1])
    image = render(pixels_of(donor, window), window, (height, width))
    points, corners = (values + tf.cast(place, tf.float32) for values in (cut.points, cut.corners))
    inside = mask_target(corners, cut.classes, (height, width), stride=1)[..., tf.newaxis] > 0
    return Scene(
        tf.where(inside, image, scene.image),
        tf.concat([scene.points, points], axis=0),
        tf.concat([scene.corners, corners], axis=0),
        tf.concat([scene.classes, cut.classes], axis=0),
    )
