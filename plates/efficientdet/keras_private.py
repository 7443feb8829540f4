"""The parts of Keras's private API that this project uses, each with the reason why no public way works.

Keras is pinned to 3.15 in pyproject.toml; look here first when upgrading it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras


class PublishedBackbone(NamedTuple):
    """Where Keras gets the ImageNet weights of a family of backbones, and the MD5s of each size's files."""

    address: str
    hashes: dict[str, tuple[str, str]]


def layers_of(network: keras.Model) -> list[keras.layers.Layer]:
    """Every layer of a network, those inside layers included: `Model.layers` has the outermost only."""
    return list(network._flatten_layers())


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """A layer's own variables in the order of its `.weights.h5` group: `Layer.weights` has those of its parts too."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def set_trainable_variables(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
    """Makes an optimizer that was built on other variables report these.

    JAX's training step (`stateless_apply`) gives values to the optimizer's variables, which are otherwise those that it
    was built on.
    """
    optimizer._trainable_variables.clear()
    optimizer._trainable_variables.extend(variables)


def trainable_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The trainable variables of an optimizer, which `Optimizer.variables` leaves out."""
    return optimizer._trainable_variables


def published_backbone(family: str) -> PublishedBackbone:
    """The source of ImageNet weights of efficientnet or efficientnetv2, which `keras.applications` does not name."""
    from keras.src.applications import efficientnet, efficientnet_v2

    module = {"efficientnet": efficientnet, "efficientnetv2": efficientnet_v2}[family]
    return PublishedBackbone(module.BASE_WEIGHTS_PATH, module.WEIGHTS_HASHES)
