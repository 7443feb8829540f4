"""Augments a training picture, its boxes and its mask: mirror, scale jitter, crop and placement."""

import tensorflow as tf

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data.preprocess import Window, decode, decode_ratio, fit

MASK_STRIDE = 4
NOT_COUNTED = -1
"""In a mask: a cell that is neither trained on nor scored."""
AIMED = 0.75
"""Share of crops (`Spec.training_size`) that are taken around an object: the others show what else there is."""


def random_window(
    height: tf.Tensor,
    width: tf.Tensor,
    size: tuple[int, int],
    config: AugmentConfig,
    seed: tf.Tensor,
    ratio: tf.Tensor | None = None,
    boxes: tf.Tensor | None = None,
    canvas: tuple[int, int] | None = None,
) -> tuple[tf.Tensor, Window]:
    """(scale, window) of one training picture of `height` x `width` px; the same for the same `seed` [2].

    The picture is fitted into `size` times a factor from U(jitter_min, jitter_max): if it is then larger, it is
    cropped at a random place; if smaller, placed at a random place; without jitter (1 to 1) at the top left, as in
    evaluation. `ratio`: the picture is already decoded at 1/`ratio` (None: the window chooses).

    A window of another size, `canvas`, is a crop (`Spec.training_size`): `AIMED` of them show one of the `boxes`
    [n, 4] (yxyx in 0..1 of the picture), chosen at random, whole where it fits, at a random place; the others are
    anywhere.
    """
    draw = tf.random.stateless_uniform([6], seed)
    factor = config.jitter_min + draw[0] * (config.jitter_max - config.jitter_min)
    wanted = tf.cast(tf.cast(tf.constant(size), tf.float32) * factor, tf.int32)
    scale, scaled_height, scaled_width = fit(height, width, wanted[0], wanted[1])
    ratio = decode_ratio(height, width, scale) if ratio is None else ratio
    scaled = tf.stack([scaled_height, scaled_width])
    room = tf.constant(canvas or size)
    out = tf.minimum(scaled, room)
    low, high = tf.zeros([2]), tf.cast(scaled - out, tf.float32)
    if canvas not in (None, size) and boxes is not None:
        low, high = _offsets(boxes, tf.cast(scaled, tf.float32), high, seed)
    offset = tf.cast(low + draw[1:3] * (high - low), tf.int32)
    place = tf.cast(draw[3:5] * tf.cast(room - out + 1, tf.float32), tf.int32)
    if config.jitter_min == config.jitter_max == 1:
        place = tf.zeros_like(place)
    flip = (draw[5] < 0.5) if config.input_rand_hflip else tf.constant(False)
    return scale, window_of(height, width, ratio, scaled, offset, out, place, flip)


def window_of(
    height: tf.Tensor,
    width: tf.Tensor,
    ratio: tf.Tensor,
    scaled: tf.Tensor,
    offset: tf.Tensor,
    out: tf.Tensor,
    place: tf.Tensor,
    flip: tf.Tensor,
) -> Window:
    """The window that shows `out` px from `offset` on of a picture of `height` x `width` px in the size `scaled`.

    The picture is decoded at 1/`ratio`; `scaled`, `offset`, `out` and `place` are [2] int32, y and x in px.
    """
    decoded = tf.stack([height, width]) // ratio
    share = tf.cast(decoded, tf.float32) / tf.cast(scaled, tf.float32)
    start = tf.cast(tf.cast(offset, tf.float32) * share, tf.int32)
    stop = tf.cast(tf.math.ceil(tf.cast(offset + out, tf.float32) * share), tf.int32)
    seen = tf.maximum(tf.minimum(stop, decoded) - start, 1)
    return Window(ratio, *_pair(start), *_pair(seen), *_pair(out), *_pair(place), flip)


def pixels_of(sample: dict[str, tf.Tensor], window: Window) -> tf.Tensor:
    """The window's pixels of a sample: of its JPEG, or of its `pixels`, which are decoded at the window's ratio."""
    if "jpeg" in sample:
        return decode(sample["jpeg"], window)
    rows = slice(window.top, window.top + window.height)
    return sample["pixels"][rows, window.left : window.left + window.width]


def _offsets(boxes: tf.Tensor, scaled: tf.Tensor, room: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lowest and highest offset [2] of a window in a picture of `scaled` px, around one of its boxes or anywhere.

    `room` is what the picture is larger than the window: the highest offset of any window.
    """
    draw = tf.random.stateless_uniform([2], tf.random.experimental.stateless_fold_in(seed, 2))
    whole = tf.constant([[0.0, 0, 1, 1]])
    choices = tf.cond((tf.size(boxes) > 0) & (draw[0] < AIMED), lambda: boxes, lambda: whole)
    chosen = choices[tf.cast(draw[1] * tf.cast(tf.shape(choices)[0], tf.float32), tf.int32)]
    ends = tf.stack([chosen[2:] * scaled - (scaled - room), chosen[:2] * scaled])
    ends = tf.clip_by_value(ends, 0.0, room)
    return tf.reduce_min(ends, axis=0), tf.reduce_max(ends, axis=0)


def to_network(points: tf.Tensor, height: tf.Tensor, width: tf.Tensor, window: Window) -> tf.Tensor:
    """Points [..., 2] as y, x in 0..1 of the picture -> y, x in px of the network's canvas (unclipped)."""
    decoded = tf.cast(tf.stack([height, width]), tf.float32) / tf.cast(window.ratio, tf.float32)
    start = tf.cast(tf.stack([window.top, window.left]), tf.float32)
    seen = tf.cast(tf.stack([window.height, window.width]), tf.float32)
    out = tf.cast(tf.stack([window.out_height, window.out_width]), tf.float32)
    placed = (points * decoded - start) * out / seen
    mirrored = tf.stack([placed[..., 0], out[1] - placed[..., 1]], axis=-1)
    placed = tf.where(window.flip, mirrored, placed)
    return placed + tf.cast(tf.stack([window.place_top, window.place_left]), tf.float32)


def in_order(corners: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    """Corners [n, 4, 2] of `box_corners`'s order, of a picture that may be mirrored, in that order again."""
    return tf.where(mirrored, tf.gather(corners, [1, 0, 3, 2], axis=1), corners)


def bounds(points: tf.Tensor) -> tf.Tensor:
    """Points [n, k, 2] -> the boxes [n, 4] yxyx around each k of them."""
    return tf.concat([tf.reduce_min(points, axis=1), tf.reduce_max(points, axis=1)], axis=-1)


def box_corners(boxes: tf.Tensor) -> tf.Tensor:
    """Boxes [n, 4] yxyx -> their corners [n, 4, 2] y, x: bottom right, bottom left, top left, top right."""
    top, left, bottom, right = tf.unstack(boxes, axis=-1)
    corners = [[bottom, right], [bottom, left], [top, left], [top, right]]
    return tf.stack([tf.stack(corner, axis=-1) for corner in corners], axis=1)


def clip(boxes: tf.Tensor, size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Boxes [n, 4] yxyx px within the canvas, and the share [n] of their area that is."""
    limits = tf.constant([*size, *size], tf.float32)
    clipped = tf.clip_by_value(boxes, 0.0, limits)
    return clipped, tf.math.divide_no_nan(_area(clipped), _area(boxes))


def usable(
    boxes: tf.Tensor, classes: tf.Tensor, visible: tf.Tensor, config: AugmentConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """Classes [n] after the crop, and the mask [n] of the boxes to keep.

    A box that is visible by less than `min_visible_area` is dropped; one with a side under `min_box_side` px gets its
    class negated: it is too small to be a positive, but not background either. Of a region to ignore, whose class is
    negative already, any part stays.
    """
    keep = (visible > 0) & ((visible >= config.min_visible_area) | (classes < 0))
    small = tf.reduce_min(boxes[:, 2:] - boxes[:, :2], axis=-1) < config.min_box_side
    return tf.where(small, -tf.abs(classes), classes), keep


def mask_target(corners: tf.Tensor, classes: tf.Tensor, size: tuple[int, int], stride: int = MASK_STRIDE) -> tf.Tensor:
    """Class of each cell of `stride` px [ceil(H / stride), ceil(W / stride)] int32, 0 for background.

    A cell of an object to ignore (`classes` [n] under 0) is `NOT_COUNTED`.

    A cell belongs to a plate whose four corners [n, 4, 2] (y, x in network px, in order around it) enclose its centre,
    which is then on the same side of all four edges. If there are several, the last one counts.
    """
    rows = (tf.range(-(-size[0] // stride), dtype=tf.float32) + 0.5) * stride
    columns = (tf.range(-(-size[1] // stride), dtype=tf.float32) + 0.5) * stride
    start = corners[:, :, :, tf.newaxis, tf.newaxis]
    edge = tf.roll(start, -1, axis=1) - start
    y = rows[:, tf.newaxis] - start[:, :, 0]
    x = columns[tf.newaxis, :] - start[:, :, 1]
    side = edge[:, :, 1] * y - edge[:, :, 0] * x
    inside = tf.reduce_all(side >= 0, axis=1) | tf.reduce_all(side <= 0, axis=1)
    stacked = tf.where(inside, tf.maximum(classes, NOT_COUNTED)[:, tf.newaxis, tf.newaxis], 0)
    order = tf.where(inside, tf.range(1, tf.shape(classes)[0] + 1)[:, tf.newaxis, tf.newaxis], 0)
    last = tf.reduce_max(order, axis=0)
    return tf.reduce_sum(tf.where(order == last, stacked, 0), axis=0)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=-1)


def _pair(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return values[0], values[1]
