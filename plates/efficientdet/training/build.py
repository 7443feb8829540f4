"""A detector ready for its first step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.config.run_length import batch_norm_momentum
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import devices, freeze, optimizer, schedule, teacher
from plates.efficientdet.training.class_weights import class_weights
from plates.efficientdet.training.detector import Detector

if TYPE_CHECKING:  # without TensorFlow the detector trains on JAX, and `Data` cannot be imported
    from plates.efficientdet.training.data import Data


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
        data: its number of images, classes, their counts and the size of its training pictures are used.
        steps: length of the run.
        rates: learning rate or schedule; None: the run's own (`schedule.build`).
        synchronized: batch norm takes its statistics over all replicas.
    """
    keras.utils.set_random_seed(config.seed)
    spec = replace(spec, image_size=data.size or spec.image_size)
    network = networks.build(spec, batch_norm_momentum(config, steps), synchronized_batch_norm=synchronized)
    freeze.apply(network, config)
    weights = class_weights(data.class_counts, config.class_weights) if config.class_weights else None
    taught = teacher.load(config.teacher, spec, data.label_map) if config.teacher else None
    detector = Detector(network, spec, config, weights, taught)
    rates = rates_of(config, data, steps) if rates is None else rates
    detector.compile(optimizer=optimizer.build(config, rates), jit_compile=devices.jit_compile())
    detector.optimizer.build(detector.trainable_variables)
    return detector


def for_whole_pictures(detector: Detector, spec: Spec) -> Detector:
    """The detector that is scored on pictures of the size of `spec`: another one if training pictures are smaller.

    Its weights are its own: `Detector.network.set_weights`.
    """
    if tuple(detector.network.input_shape[1:3]) == tuple(spec.image_size):
        return detector
    whole = Detector(networks.build(spec), spec, detector.train_config)
    whole.compile(jit_compile=devices.jit_compile())
    return whole


def rates_of(config: TrainConfig, data: Data, steps: int) -> schedule.WarmupDecay:
    """The learning rates of a run of `steps` steps on `data`."""
    return schedule.build(config, max(1.0, data.images / config.batch_size), steps)
