"""The numbers that follow from a run's length."""

import math

from plates.efficientdet.config.train import TrainConfig

SETTLED = 4.0
"""Time constants of batch norm's running statistics that a run must last."""


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
