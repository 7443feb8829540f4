"""SGD, Adam and AdamW as the reference uses them: clipped twice, kernels decayed, weights averaged.

Keras's own optimizers do the arithmetic, on one matrix of all weights (`packing`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.keras_private import set_trainable_variables, trainable_variables
from plates.efficientdet.model.boxes import Tensor
from plates.efficientdet.training.packing import Packing


def is_decayed(variable: Any) -> bool:
    """Whether weight decay applies: to kernels, not to biases, batch norm or BiFPN's fusion weights."""
    return variable.name.endswith("kernel")


class _Packed:
    """Makes a Keras optimizer work on the packing of its variables, and adds what the reference does around a step.

    Order of a step: coupled weight decay joins the gradient (which is L2 in the loss); each gradient is clipped to
    `clip_norm`, then all of them together; decoupled decay; Keras's update; the average moves. Gradients of several
    devices are summed before any of it, so a step does not depend on their number.

    `gradient_norm` is a variable with the norm of the last whole gradient, L2 included, before clipping.

    The optimizer's variables hold everything a resumed run needs. The average starts as the weights before the first
    step, and its decay is min(`average_decay`, (1 + t) / (10 + t)), so that it forgets them soon.
    """

    def __init__(self, *args: Any, clip_norm: float, l2: float, decay: float, average_decay: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.clip_norm = clip_norm
        self.l2 = l2
        self.decay = decay
        self.average_decay = average_decay

    def build(self: Any, variables: Sequence[Any]) -> None:
        if self.built:
            return
        self.packing = Packing([variable.shape for variable in variables])
        self.decayed = np.array([is_decayed(variable) for variable in variables], np.float32)
        self.weights = self.add_variable(self.packing.shape, name="weights")
        self.average = self.add_variable(self.packing.shape, name="average") if self.average_decay else None
        self.gradient_norm = self.add_variable((), name="gradient_norm")
        super().build([self.weights])  # type: ignore[misc]
        set_trainable_variables(self, variables)

    @property
    def packed(self: Any) -> list[Any]:
        """The variables that the rows of the packing belong to; kept as an attribute, Keras would own them twice."""
        return trainable_variables(self)

    def apply(self: Any, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None) -> None:
        if not self.built:
            self.build(list(trainable_variables or []))
        missing = [v.path for g, v in zip(grads, self.packed, strict=True) if g is None]
        if missing:
            warnings.warn(f"{len(missing)} variables have no gradient and stay: {', '.join(missing)}", stacklevel=2)
        filled = [ops.zeros(v.shape) if g is None else g for g, v in zip(grads, self.packed, strict=True)]
        super().apply([self.packing.pack(filled)], [self.weights])  # type: ignore[misc]

    def update_step(self: Any, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        weights = self.packing.pack(self.packed)
        decayed = self.packing.spread(self.decayed)
        gradient = gradient + self.l2 * decayed * weights
        norms = ops.sqrt(self.packing.square_norms(gradient))
        self.assign(self.gradient_norm, _norm(norms))
        if self.clip_norm:
            gradient = gradient * self.packing.spread(self._clip_twice(norms))
        self.assign(variable, weights * (1.0 - learning_rate * self.decay * decayed) if self.decay else weights)
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
        updated = ops.convert_to_tensor(variable)
        if self.average is not None:
            step = ops.cast(self.iterations, "float32")
            keep = ops.minimum(self.average_decay, (1.0 + step) / (10.0 + step))
            before = ops.cond(step > 0, lambda: ops.convert_to_tensor(self.average), lambda: weights)
            self.assign(self.average, updated + keep * (before - updated))
        for own, new in zip(self.packed, self.packing.unpack(updated), strict=True):
            self.assign(own, new)

    def _clip_twice(self: Any, norms: Tensor) -> Tensor:
        """Factors [n] for gradients of these norms: each down to `clip_norm`, then all together."""
        each = self.clip_norm / ops.maximum(norms, self.clip_norm)
        return each * self.clip_norm / ops.maximum(_norm(norms * each), self.clip_norm)


def _norm(values: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(values)))


class SGD(_Packed, keras.optimizers.SGD):
    """Keras's SGD on packed weights."""


class Adam(_Packed, keras.optimizers.Adam):
    """Keras's Adam on packed weights; AdamW where `decay` is set."""


def build(train: TrainConfig, learning_rate: Any) -> keras.optimizers.Optimizer:
    """The optimizer of a run, not yet built on variables.

    Weight decay is L2 for sgd and adam, where it is part of the clipped gradient (do not add `losses.l2_loss` to the
    loss that is differentiated: it is for the log), and decoupled for adamw (arXiv:1711.05101).

    Args:
        learning_rate: a number or a Keras schedule.
    """
    coupled = train.optimizer != "adamw"
    common = {
        "clip_norm": train.clip_gradients_norm,
        "l2": train.weight_decay if coupled else 0.0,
        "decay": 0.0 if coupled else train.weight_decay,
        "average_decay": train.moving_average_decay,
    }
    if train.optimizer == "sgd":
        return SGD(learning_rate, momentum=train.momentum, **common)
    return Adam(learning_rate, beta_1=train.momentum, **common)


def unwrapped(optimizer: keras.optimizers.Optimizer) -> Any:
    """The optimizer that `build` made, without the loss scaling that Keras wraps around it for float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


@contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """The model's trainable weights are their averages inside, and exactly what they were again after.

    Nothing changes without averages (`moving_average_decay: 0`) or before the first step.
    """
    inner = unwrapped(optimizer)
    if not inner.built or inner.average is None or int(inner.iterations.numpy()) == 0:
        yield
        return
    variables = inner.packed
    raw = [variable.numpy() for variable in variables]
    for variable, average in zip(variables, inner.packing.unpack(inner.average), strict=True):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(variables, raw, strict=True):
            variable.assign(value)
