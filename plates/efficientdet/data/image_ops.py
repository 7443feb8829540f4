"""Operations on one uint8 picture [H, W, 3], as Pillow defines them, in TensorFlow."""

import tensorflow as tf

GREY = 128
_GREY_WEIGHTS = (0.299, 0.587, 0.114)
_SMOOTH = ((1.0, 1.0, 1.0), (1.0, 5.0, 1.0), (1.0, 1.0, 1.0))


def blend(base: tf.Tensor, image: tf.Tensor, factor: float) -> tf.Tensor:
    """`base` at factor 0, `image` at 1, beyond it at more; base may broadcast (PIL.Image.blend)."""
    base = tf.cast(base, tf.float32)
    mixed = base + factor * (tf.cast(image, tf.float32) - base)
    return tf.cast(tf.clip_by_value(mixed, 0.0, 255.0), tf.uint8)


def grey(image: tf.Tensor) -> tf.Tensor:
    """Luma [H, W, 1] float32 (ITU-R 601)."""
    return tf.reduce_sum(tf.cast(image, tf.float32) * _GREY_WEIGHTS, axis=-1, keepdims=True)


def color(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Saturation: grey at 0, unchanged at 1."""
    return blend(grey(image), image, factor)


def contrast(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Contrast about the picture's mean grey (Pillow's; the reference divides pixels by 256 for a mean)."""
    return blend(tf.round(tf.reduce_mean(grey(image))), image, factor)


def brightness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Black at 0, unchanged at 1."""
    return blend(tf.zeros([], tf.float32), image, factor)


def sharpness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Smoothed at 0, unchanged at 1, sharpened beyond; the border of one pixel stays."""
    kernel = tf.tile(tf.constant(_SMOOTH)[:, :, tf.newaxis, tf.newaxis] / 13.0, [1, 1, 3, 1])
    values = tf.cast(image, tf.float32)[tf.newaxis]
    smooth = tf.nn.depthwise_conv2d(values, kernel, [1, 1, 1, 1], "VALID")[0]
    inner = blend(smooth, image[1:-1, 1:-1], factor)
    rows = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], rows, image[-1:]], axis=0)


def posterize(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Keeps the `bits` (1 to 8) highest bits of each value."""
    mask = tf.constant((0xFF << (8 - bits)) & 0xFF, tf.uint8)
    return tf.bitwise.bitwise_and(image, mask)


def solarize(image: tf.Tensor, threshold: int) -> tf.Tensor:
    """Inverts the values from `threshold` on."""
    return tf.where(tf.cast(image, tf.int32) < threshold, image, 255 - image)


def solarize_add(image: tf.Tensor, addition: int, threshold: int = 128) -> tf.Tensor:
    """Adds to the values under `threshold`, up to 255."""
    values = tf.cast(image, tf.int32)
    return tf.where(image < threshold, tf.cast(tf.minimum(values + addition, 255), tf.uint8), image)


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to 0-255; a channel of one value stays."""
    values = tf.cast(image, tf.float32)
    low, high = tf.reduce_min(values, axis=[0, 1]), tf.reduce_max(values, axis=[0, 1])
    stretched = (values - low) * tf.math.divide_no_nan(255.0, high - low)
    return tf.cast(tf.where(high > low, tf.clip_by_value(stretched, 0.0, 255.0), values), tf.uint8)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Makes each channel's histogram flat (PIL.ImageOps.equalize)."""

    def channel(values: tf.Tensor) -> tf.Tensor:
        indices = tf.cast(values, tf.int32)
        counts = tf.math.bincount(tf.reshape(indices, [-1]), minlength=256, maxlength=256)
        largest = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0))
        step = (tf.reduce_sum(counts) - counts[largest]) // 255
        table = (tf.cumsum(counts, exclusive=True) + step // 2) // tf.maximum(step, 1)
        table = tf.where(step == 0, tf.range(256), tf.clip_by_value(table, 0, 255))
        return tf.gather(tf.cast(table, tf.uint8), indices)

    return tf.stack([channel(values) for values in tf.unstack(image, axis=-1)], axis=-1)


def paint(image: tf.Tensor, top: tf.Tensor, left: tf.Tensor, bottom: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The rectangle (px, clipped to the picture) in grey."""
    rows = tf.range(tf.shape(image)[0])[:, tf.newaxis, tf.newaxis]
    columns = tf.range(tf.shape(image)[1])[tf.newaxis, :, tf.newaxis]
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return tf.where(inside, tf.constant(GREY, tf.uint8), image)


def affine(image: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """The picture moved by `matrix` [2, 3]: a point (x, y) in px goes to matrix @ (x, y, 1); grey comes in.

    Nearest neighbour, as in the reference. A pixel's centre is half a pixel from its index.
    """
    turn = tf.linalg.inv(matrix[:, :2])
    shift = -tf.linalg.matvec(turn, matrix[:, 2])
    shift += tf.linalg.matvec(turn, [0.5, 0.5]) - 0.5
    flat = tf.concat([tf.reshape(tf.concat([turn, shift[:, tf.newaxis]], axis=1), [6]), [0.0, 0.0]], axis=0)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=flat[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        fill_value=float(GREY),
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]
