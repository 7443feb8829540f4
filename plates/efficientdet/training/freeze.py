"""Freezing parts of a network: their weights, and their batch norm with its statistics."""

from __future__ import annotations

import re

import keras

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.keras_private import layers_of
from plates.efficientdet.model.network import variable_name
from plates.errors import UserError


def apply(network: keras.Model, train: TrainConfig) -> None:
    """Freezes what `train.var_freeze_expr` matches, and all batch norm where `train.is_training_bn` is false.

    The expression is matched (`re.match`) at the start of the reference's names, such as
    "efficientnet-b0/stem/conv2d/kernel", "fpn_cells/cell_0/fnode0/WSM", "class_net/class-predict/bias". Batch norm
    that is frozen normalises by its moving statistics and leaves them alone. With `train.reference` it keeps
    training, as in the reference.

    Call it before the optimizer is built.

    Raises:
        UserError: the expression matches no variable, or all of them.
    """
    variables = network.trainable_variables
    matched = [v for v in variables if train.var_freeze_expr and re.match(train.var_freeze_expr, variable_name(v))]
    if train.var_freeze_expr and len(matched) in (0, len(variables)):
        raise UserError(_complaint(train.var_freeze_expr, len(matched), [variable_name(v) for v in variables]))
    for variable in matched:
        variable.trainable = False
    if train.reference:
        return
    for layer in layers_of(network):
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        if normalises and not (train.is_training_bn and layer.gamma.trainable):
            layer.trainable = False


def _complaint(expression: str, count: int, names: list[str]) -> str:
    if count:
        return f"train.var_freeze_expr {expression!r} matches all {count} variables: nothing would be left to train."
    parts = sorted({name.split("/")[0] for name in names})
    return (
        f"train.var_freeze_expr {expression!r} matches the start of none of the {len(names)} variables. Names start "
        f"with {', '.join(parts)}; for example {names[0]}, {names[len(names) // 2]}, {names[-1]}."
    )
