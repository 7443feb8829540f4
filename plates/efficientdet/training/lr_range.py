"""Which learning rate a run can take: the loss while the rate rises step by step (Smith, arXiv:1506.01186)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.config import TrainConfig
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import devices
from plates.efficientdet.training.build import build
from plates.efficientdet.training.data import TARGETS, Data
from plates.errors import UserError

SMOOTHED = 0.9  # share of the mean loss before that a step keeps
EXPLODED = 4.0  # times the lowest loss: the test ends there
MARGIN = 10.0  # the suggestion is this far under the rate of the lowest loss


@dataclass(frozen=True)
class RateRange:
    """Losses by rate.

    Attributes:
        rates: learning rates for a batch of 64, as `train.learning_rate` is given.
        losses: the smoothed loss after a step at each of them.
    """

    rates: list[float]
    losses: list[float]

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the loss was lowest."""
        return self.rates[min(range(len(self.losses)), key=self.losses.__getitem__)] / MARGIN


def lr_range(
    spec: Spec,
    config: TrainConfig,
    data: Data,
    *,
    initialise: Callable[[keras.Model], LoadReport] | None = None,
    steps: int = 100,
    low: float = 1e-5,
    high: float = 10.0,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> RateRange:
    """Trains for `steps` steps at rates that rise evenly in their logarithm; nothing is kept.

    Ends early if the loss is not a number or over 4 times its lowest.

    Args:
        initialise: fills the fresh network with pretrained weights.
        low: first rate, for a batch of 64; `high` is the last.
        on_step: called after each step with the steps done and to do.

    Raises:
        UserError: the first loss is not a number.
    """
    scale = config.batch_size / 64
    rising = keras.optimizers.schedules.ExponentialDecay(low * scale, max(steps - 1, 1), high / low)
    devices.skip_graph_optimisation()
    with devices.precision(config.mixed_precision):
        detector = build(spec, config, data, steps, rates=rising)
        if initialise is not None:
            initialise(detector.network)
    rates: list[float] = []
    losses: list[float] = []
    mean = loss = 0.0
    for images, targets in data.training(0):
        rate = float(detector.optimizer.learning_rate) / scale
        known = {name: value for name, value in targets.items() if name in TARGETS}
        loss = float(detector.train_on_batch(images, known, return_dict=True)["loss"])
        mean = SMOOTHED * mean + (1 - SMOOTHED) * loss
        smoothed = mean / (1 - SMOOTHED ** (len(losses) + 1))
        if not math.isfinite(loss) or (losses and smoothed > EXPLODED * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
        on_step(len(losses), steps)
        if len(losses) == steps:
            break
    if not losses:
        raise UserError(f"the loss of the first batch is {loss:g}, at a rate of {low:g}. Check model.pretrained")
    return RateRange(rates, losses)


def plot(found: RateRange, current: float, path: Path) -> None:
    """Writes a picture (by the suffix: PNG, SVG) of loss by rate, with the suggestion and the `current` rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.semilogx(found.rates, found.losses, color="#3b82f6")
    axes.axvline(found.suggestion, color="#059669", label=f"suggested: {found.suggestion:.2g}")
    axes.axvline(current, color="#f59e0b", linestyle="--", label=f"train.learning_rate: {current:.2g}")
    axes.set(xlabel="learning rate for a batch of 64", ylabel="smoothed training loss")
    axes.legend()
    figure.savefig(path)
