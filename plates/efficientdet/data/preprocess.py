"""From JPEG bytes to the network's picture, in TensorFlow: the same for training, evaluation and the exported model.

Geometry as in google/automl `dataloader.py` (`DetectionInputProcessor`): scale = min(H / h, W / w), sides
truncated to whole pixels, bilinear without antialiasing at half-pixel centres, placed at the top left, the
rest the mean colour. Pictures stay uint8 until the model; `exact` keeps the float values between, as the
reference does.
"""

from typing import NamedTuple

import tensorflow as tf

from plates.efficientdet.model.backbone_tables import MEAN_RGB

RATIOS = (1, 2, 4, 8)


class Window(NamedTuple):
    """Which part of a picture is used and where it goes: int32 scalars, and `flip` bool.

    Rows `top` to `top + height` and columns `left` to `left + width` of the picture decoded at 1/`ratio` are
    resized to `out_height` x `out_width`, mirrored if `flip`, and placed at `place_top`, `place_left` of the
    canvas.
    """

    ratio: tf.Tensor
    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    out_height: tf.Tensor
    out_width: tf.Tensor
    place_top: tf.Tensor
    place_left: tf.Tensor
    flip: tf.Tensor


def fit(height: tf.Tensor, width: tf.Tensor, out_height: tf.Tensor, out_width: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """(scale, scaled height, scaled width) that fit a picture of `height` x `width` px into the given size.

    A side that would vanish stays one pixel long, so pictures of 4,000 x 10 px work too.
    """
    sides = tf.cast(tf.stack([height, width]), tf.float32)
    scale = tf.reduce_min(tf.cast(tf.stack([out_height, out_width]), tf.float32) / sides)
    scaled = tf.maximum(tf.cast(sides * scale, tf.int32), 1)
    return scale, scaled[0], scaled[1]


def decode_ratio(height: tf.Tensor, width: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Largest of 1, 2, 4, 8 at which the picture can be decoded without `scale` enlarging it.

    Only ratios that divide both sides: a decoded pixel then covers a whole number of original ones.
    """
    ratio = tf.constant(1)
    for candidate in RATIOS[1:]:
        divides = (height % candidate == 0) & (width % candidate == 0)
        ratio = tf.where(divides & (scale * candidate <= 1), candidate, ratio)
    return ratio


def whole(height: tf.Tensor, width: tf.Tensor, size: tuple[int, int], exact: bool) -> tuple[tf.Tensor, Window]:
    """(scale, window) of the evaluation: the whole picture at the top left."""
    scale, out_height, out_width = fit(height, width, *size)
    ratio = tf.constant(1) if exact else decode_ratio(height, width, scale)
    zero = tf.constant(0)
    window = Window(
        ratio, zero, zero, height // ratio, width // ratio, out_height, out_width, zero, zero, tf.constant(False)
    )
    return scale, window


def decode(jpeg: tf.Tensor, window: Window) -> tf.Tensor:
    """The window's pixels [height, width, 3] uint8 RGB; nothing outside it is upsampled or colour-converted."""
    crop = tf.stack([window.top, window.left, window.height, window.width])

    def at(ratio: int) -> tf.Tensor:
        return tf.io.decode_and_crop_jpeg(jpeg, crop, channels=3, ratio=ratio)

    index = sum(tf.cast(window.ratio >= ratio, tf.int32) for ratio in RATIOS[1:])
    return tf.switch_case(index, [lambda ratio=ratio: at(ratio) for ratio in RATIOS])


def render(
    pixels: tf.Tensor,
    window: Window,
    size: tuple[int, int],
    mean_rgb: tuple[float, float, float] = MEAN_RGB,
    exact: bool = False,
) -> tf.Tensor:
    """The canvas [H, W, 3] with the window's pixels resized and placed: uint8, or float32 if `exact`."""
    scaled = [window.out_height, window.out_width]
    image = tf.raw_ops.ResizeBilinear(images=pixels[tf.newaxis], size=scaled, half_pixel_centers=True)[0]
    canvas = tf.broadcast_to(tf.constant(mean_rgb, tf.float32), [*size, 3])
    if not exact:
        image = tf.cast(image + 0.5, tf.uint8)
        canvas = tf.cast(canvas + 0.5, tf.uint8)
    image = tf.cond(window.flip, lambda: tf.reverse(image, [1]), lambda: image)
    top, left = window.place_top, window.place_left
    bottom, right = top + window.out_height, left + window.out_width
    rows = tf.concat([canvas[top:bottom, :left], image, canvas[top:bottom, right:]], axis=1)
    return tf.ensure_shape(tf.concat([canvas[:top], rows, canvas[bottom:]], axis=0), [*size, 3])


def load(
    jpeg: tf.Tensor,
    size: tuple[int, int],
    mean_rgb: tuple[float, float, float] = MEAN_RGB,
    exact: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """A JPEG as the network sees it: (picture [H, W, 3], original px per network px float32 scalar).

    Raises `tf.errors.InvalidArgumentError` for bytes that are not a JPEG.
    """
    shape = tf.io.extract_jpeg_shape(jpeg)
    scale, window = whole(shape[0], shape[1], size, exact)
    return render(decode(jpeg, window), window, size, mean_rgb, exact), 1.0 / scale
