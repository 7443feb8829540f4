"""TensorFlow's own kernels for what Keras spells out in separate operations. Loaded only where it is the backend."""

from typing import Any

import tensorflow as tf


def fused_batch_norm(
    x: Any, gamma: Any, beta: Any, moving_mean: Any, moving_variance: Any, epsilon: float, training: bool
) -> tuple[Any, Any, Any]:
    """(outputs in x's dtype, mean, variance): over the batch and unbiased where `training`, else the moving ones."""
    gamma, beta = (tf.cast(v.value, tf.float32) for v in (gamma, beta))
    if training:
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)
        return outputs, mean, variance
    moving_mean, moving_variance = (tf.cast(v.value, tf.float32) for v in (moving_mean, moving_variance))
    outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
        x, gamma, beta, moving_mean, moving_variance, epsilon=epsilon, is_training=False
    )
    return outputs, moving_mean, moving_variance


def replicas() -> int:
    """Replicas that the current strategy keeps in sync."""
    return tf.distribute.get_strategy().num_replicas_in_sync


@tf.custom_gradient
def silu(x: Any) -> tuple[Any, Any]:
    """Swish with its gradient in one compiled pass over memory, where TensorFlow's own takes six."""
    return tf.nn.silu(x), lambda upstream: _silu_gradient(x, upstream)


@tf.function(jit_compile=True)
def _silu_gradient(x: Any, upstream: Any) -> Any:
    y = tf.cast(x, tf.float32)
    gate = tf.sigmoid(y)
    return tf.cast(tf.cast(upstream, tf.float32) * (gate + y * gate * (1 - gate)), x.dtype)
