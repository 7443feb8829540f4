"""The learning rate over a run: a linear warm-up, then cosine, stepwise or polynomial decay."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from plates.efficientdet.config import TrainConfig
from plates.errors import UserError

LONGEST_WARMUP = 0.2
REFERENCE_WARMUP_INIT = 0.008


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from `warmup_init` to `peak` in `warmup_steps`, then decay until `total_steps`, then constant.

    With `reference`, cosine and polynomial decay count from step 0 instead of from the end of warm-up: they start below
    the peak, and cosine touches zero one warm-up before the end and rises again (google/automl, `tf2/train_lib.py`).

    Args:
        peak: rate at the end of warm-up.
        warmup_init: rate at step 0.
        warmup_steps: length of warm-up.
        total_steps: length of the run, warm-up included.
        method: cosine (to 0), stepwise (a tenth, then a hundredth, from the two `drop_steps`), polynomial (to 0).
        drop_steps: two steps, for stepwise.
        power: exponent, for polynomial.
    """

    def __init__(
        self,
        peak: float,
        warmup_init: float,
        warmup_steps: int,
        total_steps: int,
        method: str = "cosine",
        drop_steps: tuple[int, int] = (0, 0),
        power: float = 0.9,
        reference: bool = False,
    ) -> None:
        super().__init__()
        self.peak, self.warmup_init, self.warmup_steps, self.total_steps = peak, warmup_init, warmup_steps, total_steps
        self.method, self.drop_steps, self.power, self.reference = method, drop_steps, power, reference

    def __call__(self, step: Any) -> Any:
        """Rate at `step`, a float32 scalar (steps count from 0)."""
        step = ops.cast(step, "float32")
        warmup = self.warmup_init + step / max(self.warmup_steps, 1) * (self.peak - self.warmup_init)
        return ops.where(step < self.warmup_steps, warmup, self.peak * self._share(step))

    def _share(self, step: Any) -> Any:
        """What is left of the peak at `step` after warm-up."""
        if self.method == "stepwise":
            first, second = self.drop_steps
            return ops.where(step < first, 1.0, ops.where(step < second, 0.1, 0.01))
        decay_steps = max(self.total_steps - self.warmup_steps, 1)
        if not self.reference:
            progress = ops.clip((step - self.warmup_steps) / decay_steps, 0.0, 1.0)
        else:
            progress = step / (decay_steps if self.method == "cosine" else self.total_steps)
        if self.method == "cosine":
            return 0.5 * (1.0 + ops.cos(math.pi * progress))
        return ops.power(ops.maximum(1.0 - progress, 0.0), self.power)


def build(train: TrainConfig, steps_per_epoch: float, total_steps: int) -> WarmupDecay:
    """The schedule of a run of `total_steps` steps.

    Rates are for a batch of 64 and scaled by batch_size / 64. The start of warm-up is scaled too, and warm-up takes a
    fifth of the run at most. With `train.reference` neither: the start is 0.008 where unset.

    Raises:
        UserError: with `train.reference`, warm-up would not end within the run.
    """
    scale = train.batch_size / 64
    warmup_steps = int(train.lr_warmup_epoch * steps_per_epoch)
    if not train.reference:
        warmup_steps = min(warmup_steps, int(total_steps * LONGEST_WARMUP))
    elif warmup_steps >= total_steps:
        raise UserError(
            f"train.lr_warmup_epoch={train.lr_warmup_epoch:g} is {warmup_steps} steps of warm-up, but the run has only "
            f"{total_steps} steps: the rate would never fall. Lower train.lr_warmup_epoch (under "
            f"{total_steps / steps_per_epoch:.3g}) or raise train.steps."
        )
    if train.reference:
        init = REFERENCE_WARMUP_INIT if train.lr_warmup_init is None else train.lr_warmup_init
    else:
        init = scale * (train.learning_rate / 10 if train.lr_warmup_init is None else train.lr_warmup_init)
    return WarmupDecay(
        peak=train.learning_rate * scale,
        warmup_init=init,
        warmup_steps=warmup_steps,
        total_steps=total_steps,
        method=train.lr_decay_method,
        drop_steps=(
            int(train.first_lr_drop_epoch * steps_per_epoch),
            int(train.second_lr_drop_epoch * steps_per_epoch),
        ),
        power=train.poly_lr_power,
        reference=train.reference,
    )
