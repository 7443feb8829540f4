"""Activation functions by their names in `model.act_type`."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

SRELU_BETA = 20.0**4


def hswish(x: Any) -> Any:
    """x * relu6(x + 3) / 6 (MobileNetV3)."""
    return x * ops.relu6(x + 3.0) / 6.0


def mish(x: Any) -> Any:
    """x * tanh(softplus(x)) (Misra, 2019)."""
    return x * ops.tanh(ops.softplus(x))


def srelu(x: Any) -> Any:
    """A smooth relu, x - log(beta x + 1) / beta over 0, with google/automl's beta."""
    positive = ops.relu(x)
    return positive - ops.log1p(SRELU_BETA * positive) / SRELU_BETA


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "swish": ops.silu,
    "silu": ops.silu,
    "swish_native": ops.silu,
    "hswish": hswish,
    "relu": ops.relu,
    "relu6": ops.relu6,
    "mish": mish,
    "srelu": srelu,
}


def is_swish(act_type: str) -> bool:
    """Whether it is x * sigmoid(x), by any of its names."""
    return ACTIVATIONS[act_type] is ops.silu


def activate(act_type: str, x: Any, training: bool | None) -> Any:
    """The activation; in training swish on TensorFlow has a faster gradient than TensorFlow's own."""
    if training and is_swish(act_type) and keras.backend.backend() == "tensorflow":
        from plates.efficientdet.model.tensorflow_kernels import silu

        return silu(x)
    return ACTIVATIONS[act_type](x)
