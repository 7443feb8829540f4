"""Batch norm in TensorFlow: its fused kernel, and for CPUs a faster way through batch norm and the swish after it."""

import math
from functools import reduce
from typing import Any

import numpy as np
import tensorflow as tf

from plates.efficientdet.model.tensorflow_kernels import silu_gradient

SLICES = 4
"""More or fewer are slower: benchmarks/README.md."""


def batch_norm(layer: Any, x: Any, training: bool) -> Any:
    """Outputs in x's dtype. Where `training`, by the batch's statistics, towards which the moving ones are drawn.

    Args:
        layer: a `keras.layers.BatchNormalization`.
        x: [B, H, W, C].
    """
    variables = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    names = ("scale", "offset", "mean", "variance")
    found = tf.raw_ops.FusedBatchNormV3(
        x=x,
        **{name: tf.cast(v.value, tf.float32) for name, v in zip(names, variables, strict=True)},
        epsilon=layer.epsilon,
        exponential_avg_factor=1 - layer.momentum if training else 1.0,
        is_training=training,
    )
    if training:
        layer.moving_mean.assign(found.batch_mean)
        layer.moving_variance.assign(found.batch_variance)
    return found.y


def batch_norm_and_silu(layer: Any, x: Any) -> Any:
    """Batch norm in training and swish after it, for large float32 on CPUs, where passes over memory take the time.

    Compiled together they read `x` three times and write once forward, and read `x` and the gradient twice and write
    once backward: less than half of what TensorFlow's kernels do. What is between the two is computed again for the
    gradient (as in arXiv:1712.02616): kept, it would be a third of an inverted residual's memory.

    Args:
        layer: a `keras.layers.BatchNormalization`.
        x: [B, H, W, C], every side known.
    """
    count = _count(x)
    epsilon = layer.epsilon

    @tf.custom_gradient
    def activated(x: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        outputs, mean, variance = _forward(x, gamma, beta, epsilon)
        unbiased = variance * (count / max(count - 1, 1))
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, unbiased)):
            moving.assign(moving * layer.momentum + value * (1 - layer.momentum))
        return outputs, lambda upstream: _backward(x, upstream, gamma, beta, mean, variance, epsilon)

    return activated(x, layer.gamma.value, layer.beta.value)


@tf.function(autograph=False)
def _forward(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Outputs, mean, biased variance."""
    mean = _sum(x) / _count(x)
    variance = _sum(_squares(x, mean)) / _count(x)
    scale = gamma * tf.math.rsqrt(variance + epsilon)
    return _silu_of_affine(x, scale, beta - mean * scale), mean, variance


@tf.function(autograph=False)
def _backward(
    x: Any, upstream: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Gradients of x, gamma and beta (arXiv:1502.03167, section 3)."""
    inverse = tf.math.rsqrt(variance + epsilon)
    scale = gamma * inverse
    shift = beta - mean * scale
    both = tf.bitcast(_gradients(x, upstream, scale, shift, mean, inverse), tf.float32)
    of_beta, of_gamma = tf.unstack(tf.reshape(_sum(tf.reshape(both, (-1, 2 * x.shape[-1]))), (-1, 2)), axis=1)
    slope = -scale * inverse * of_gamma / _count(x)
    of_x = _gradient(x, upstream, scale, shift, slope, -scale * of_beta / _count(x) - slope * mean)
    return of_x, of_gamma, of_beta


def _count(x: Any) -> int:
    """Of numbers in a channel of `x` [B, H, W, C]."""
    return int(np.prod(x.shape[:-1]))


def _sum(x: Any) -> Any:
    """[C] of `x` [..., C]. A product with ones is faster than TensorFlow's Sum."""
    rows = tf.reshape(x, (-1, x.shape[-1]))
    return tf.squeeze(tf.ones((1, rows.shape[0])) @ rows, 0)


def _slices(x: Any) -> list[Any]:
    """[B, H, W, C] as a few [rows, C]: XLA adds them up in one fast pass, and takes several for a sum over all rows."""
    return tf.unstack(tf.reshape(x, (math.gcd(_count(x), SLICES), -1, x.shape[-1])))


@tf.function(jit_compile=True, autograph=False)
def _squares(x: Any, mean: Any) -> Any:
    """[rows, C] squared distances from the mean, partly added up."""
    return tf.add_n([tf.math.squared_difference(part, mean) for part in _slices(x)])


@tf.function(jit_compile=True, autograph=False)
def _silu_of_affine(x: Any, scale: Any, shift: Any) -> Any:
    y = x * scale + shift
    return y * tf.sigmoid(y)


@tf.function(jit_compile=True, autograph=False)
def _gradients(x: Any, upstream: Any, scale: Any, shift: Any, mean: Any, inverse: Any) -> Any:
    """[rows, C] gradients of beta and gamma, partly added up, as one complex number: two would take two passes."""
    found = []
    for part, above in zip(_slices(x), _slices(upstream), strict=True):
        before = silu_gradient(part * scale + shift, above)
        found.append(tf.complex(before, before * ((part - mean) * inverse)))
    return reduce(tf.add, found)


@tf.function(jit_compile=True, autograph=False)
def _gradient(x: Any, upstream: Any, scale: Any, shift: Any, slope: Any, offset: Any) -> Any:
    return scale * silu_gradient(x * scale + shift, upstream) + slope * x + offset
