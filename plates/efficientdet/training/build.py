"""A detector ready for its first step, and the numbers that follow from a run's length."""

from __future__ import annotations

import math
from typing import Any

import keras

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import devices, freeze, optimizer, schedule
from plates.efficientdet.training.class_weights import class_weights
from plates.efficientdet.training.data import Data
from plates.efficientdet.training.detector import Detector


def build(
    spec: Spec,
    config: TrainConfig,
    data: Data,
    steps: int,
    *,
    rates: Any = None,
    synchronized: bool = False,
) -> Detector:
    """Builds a detector: frozen as asked, compiled, with its optimizer built.

    Building the optimizer here instead of in the first step halves what Keras and TensorFlow trace.

    Args:
        data: its number of images and its class counts are used.
        steps: length of the run.
        rates: learning rate or schedule; None: the run's own (`schedule.build`).
        synchronized: batch norm takes its statistics over all replicas.
    """
    keras.utils.set_random_seed(config.seed)
    network = networks.build(spec, batch_norm_momentum(config, steps), synchronized_batch_norm=synchronized)
    freeze.apply(network, config)
    weights = class_weights(data.class_counts, config.class_weights) if config.class_weights else None
    detector = Detector(network, spec, config, weights)
    rates = rates_of(config, data, steps) if rates is None else rates
    detector.compile(optimizer=optimizer.build(config, rates), jit_compile=devices.jit_compile())
    detector.optimizer.build(detector.trainable_variables)
    return detector


def rates_of(config: TrainConfig, data: Data, steps: int) -> schedule.WarmupDecay:
    """The learning rates of a run of `steps` steps on `data`."""
    return schedule.build(config, max(1.0, data.images / config.batch_size), steps)


def number_of_steps(config: TrainConfig, images: int) -> int:
    """`train.steps`, or `train.num_epochs` passes over `images` images."""
    if config.steps is not None:
        return config.steps
    assert config.num_epochs is not None
    return max(1, math.ceil(config.num_epochs * images / config.batch_size))


def batch_norm_momentum(config: TrainConfig, steps: int) -> float:
    """Momentum of batch norm's running statistics in a run of `steps` steps.

    `train.batch_norm_momentum`, or where that is None 1 - 37.5 / steps, within 0.9 to 0.99. The statistics then average
    over the last 1 / 37.5 of the run. At 375 steps that is 0.9, from 3750 on the published 0.99, which a short run
    never settles with (375 steps: mAP50 0.25 with 0.99, 0.99 with 0.9, everything else alike).
    """
    return config.batch_norm_momentum or min(0.99, max(0.9, 1.0 - 37.5 / steps))
