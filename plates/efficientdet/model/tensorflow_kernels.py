"""TensorFlow's own kernels for what Keras spells out in separate operations. Loaded only if it is the backend."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

LARGE = 2**20
"""Numbers in a tensor from which compiling pays."""

FEW = 4


def replicas() -> int:
    """Replicas that the current strategy keeps in sync."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def worth_compiling(x: Any) -> bool:
    """Whether what is done to each number of `x` is better compiled. That takes 0.1 to 0.3 s of start-up a shape."""
    return (x.shape.num_elements() or 0) >= LARGE


@tf.custom_gradient
def silu(x: Any) -> tuple[Any, Any]:
    """Swish with its gradient in fewer passes over memory than TensorFlow's seven: one, compiled, if `x` is large."""

    def gradient(upstream: Any) -> Any:
        if worth_compiling(x):
            return _silu_gradient(x, upstream)
        with tf.control_dependencies([upstream]):  # not kept since the forward pass
            gate = tf.sigmoid(x)
        return upstream * gate + tf.raw_ops.SigmoidGrad(y=gate, dy=upstream * x)

    return x * tf.sigmoid(x), gradient


def silu_gradient(x: Any, upstream: Any) -> Any:
    """Of swish at `x`, in its dtype."""
    y = tf.cast(x, tf.float32)
    gate = tf.sigmoid(y)
    return tf.cast(tf.cast(upstream, tf.float32) * (gate + y * gate * (1 - gate)), x.dtype)


_silu_gradient = tf.function(silu_gradient, jit_compile=True, autograph=False)


def accelerators() -> int:
    """GPUs and TPUs that TensorFlow sees."""
    return sum(device.device_type != "CPU" for device in tf.config.list_logical_devices())


def pointwise(x: Any, kernel: Any, bias: Any, gates: Any = None) -> Any:
    """The 1x1 convolution of `x` [B, H, W, C] with `kernel` [1, 1, C, D] and `bias` [D] or None, as a product.

    With gates [B, 1, 1, C], of `x` times them. Where there are more than a few times as many places in a picture as D,
    they multiply the kernel instead, for each picture: `x`, its gradient and their product are large.
    """
    _, height, width, channels = x.shape
    matrix = tf.squeeze(kernel, (0, 1))
    if gates is not None and height * width > FEW * matrix.shape[1]:
        rows = tf.reshape(x, (-1, height * width, channels))
        matrix = tf.reshape(gates, (-1, channels, 1)) * matrix
    else:
        rows = tf.reshape(x if gates is None else x * gates, (-1, channels))
    outputs = rows @ matrix
    if bias is not None:
        outputs = tf.nn.bias_add(outputs, bias)
    return tf.reshape(outputs, (-1, height, width, kernel.shape[-1]))


@tf.custom_gradient
def with_mean(x: Any) -> tuple[Any, Any]:
    """`x` [B, H, W, C], and its mean over each picture [B, 1, 1, C]; their gradients are added up in one pass."""
    area = x.shape[1] * x.shape[2]
    outputs = tf.identity(x), tf.reduce_mean(x, (1, 2), keepdims=True)
    return outputs, lambda of_x, of_mean: of_x + of_mean / area


def depthwise_convolution(x: Any, kernel: Any, stride: int) -> Any:
    """Depthwise, padded as "same", with the gradient of its kernel by Eigen's kernel instead of oneDNN's.

    oneDNN's takes twice the time for kernels of 5x5 on a CPU; TensorFlow leaves to Eigen what is padded explicitly.
    """
    height, width = x.shape[1:3]
    strides = [1, stride, stride, 1]
    padding = [0, 0, *_same(height, kernel.shape[0], stride), *_same(width, kernel.shape[1], stride), 0, 0]

    @tf.custom_gradient
    def convolution(x: Any, kernel: Any) -> tuple[Any, Any]:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            of_x = tf.nn.depthwise_conv2d_backprop_input(tf.shape(x), kernel, upstream, strides, "SAME")
            of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=x,
                filter_sizes=tf.shape(kernel),
                out_backprop=upstream,
                strides=strides,
                padding="EXPLICIT",
                explicit_paddings=padding,
            )
            return of_x, of_kernel

        return tf.nn.depthwise_conv2d(x, kernel, strides, "SAME"), gradient

    return convolution(x, tf.convert_to_tensor(kernel))


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What "same" padding adds before and after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def scalar_with_gradient(function: Callable[[Any], Any], x: Any) -> Any:
    """`function(x)`, a scalar, with its gradient by `x` alone, both compiled together: few passes over memory.

    Outside of a graph nothing is compiled.
    """
    if tf.executing_eagerly():
        return function(x)

    @tf.function(jit_compile=True, autograph=False)
    def both(x: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)

    @tf.custom_gradient
    def differentiable(x: Any) -> tuple[Any, Any]:
        value, gradient = both(x)
        return value, lambda upstream: upstream * gradient

    return differentiable(x)
