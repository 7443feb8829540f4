"""Whether one batch can be overfitted: if not, no number of photographs and steps will help."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import keras

from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import devices
from plates.efficientdet.training.build import build
from plates.efficientdet.training.data import TARGETS, Batch, Data

LEARNT = 0.25
"""Share of the first loss under which a batch counts as overfitted."""


@dataclass(frozen=True)
class Overfit:
    """The loss of the batch after each step, at a peak learning rate for a batch of 64."""

    rate: float
    losses: list[float]

    @property
    def learnt(self) -> bool:
        """Whether the loss fell under `LEARNT` of its first value."""
        return math.isfinite(self.losses[-1]) and min(self.losses[-5:]) < LEARNT * self.losses[0]


def overfit(
    spec: Spec,
    config: TrainConfig,
    data: Data,
    *,
    initialise: Callable[[keras.Model], LoadReport] | None = None,
    steps: int = 60,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> Overfit:
    """Trains on the first batch of `data` again and again at the run's peak rate; nothing is kept.

    Ends early if the loss is not a number or the batch is overfitted.

    Args:
        initialise: fills the fresh network with pretrained weights.
        on_step: called after each step with the steps done and to do.
    """
    devices.skip_graph_optimisation()
    with devices.precision(config.mixed_precision):
        detector = build(spec, config, data, steps, rates=config.learning_rate * config.batch_size / 64)
        if initialise is not None:
            initialise(detector.network)
    found = Overfit(config.learning_rate, [])
    for images, targets in islice(_first(data), steps):
        found.losses.append(float(detector.train_on_batch(images, targets, return_dict=True)["loss"]))
        on_step(len(found.losses), steps)
        if not math.isfinite(found.losses[-1]) or (len(found.losses) > 5 and found.learnt):
            break
    return found


def _first(data: Data) -> Iterator[Batch]:
    images, targets = next(iter(data.training(0)))
    batch = images, {name: value for name, value in targets.items() if name in TARGETS}
    while True:
        yield batch
