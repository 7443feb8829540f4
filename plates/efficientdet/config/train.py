"""Training: how long, how fast, which losses; and what is done to the pictures."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from plates.efficientdet.config.base import Section

USUAL_PEAK = {"sgd": (1e-4, 0.5), "adam": (1e-5, 0.01), "adamw": (1e-5, 0.015)}
"""Peak learning rates that each optimizer usually works with, after scaling by the batch."""
DROWNED = 30.0
"""Times the other: a term of the loss that leaves it no room."""


class TrainConfig(Section):
    """How to train."""

    steps: int | None = Field(
        350,
        ge=1,
        description="Length of the run in steps (batches). null: num_epochs decides. The dry run's 350 take a few "
        "minutes.",
    )
    num_epochs: float | None = Field(
        None,
        gt=0,
        description="Length of the run in passes over the training images, if steps is null. The reference uses 300.",
    )
    batch_size: int = Field(32, ge=1, description="Images per step, over all devices. As many as fit in memory.")
    learning_rate: float = Field(
        0.024,
        gt=0,
        description="Peak learning rate for a batch of 64; scaled by batch_size / 64. The reference's 0.08 is for "
        "sgd. Halve it if the loss jumps, double it if the loss barely falls.",
    )
    optimizer: Literal["sgd", "adam", "adamw"] = Field(
        "adamw", description="sgd is the reference's, for long runs; adamw converges sooner in short ones."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd, or beta_1 of adam and adamw.")
    weight_decay: float = Field(
        4e-5,
        ge=0,
        description="L2 on kernels (decoupled in adamw). Raise it if validation falls behind training.",
    )
    lr_warmup_epoch: float = Field(
        1.0,
        ge=0,
        description="Length of the linear warm-up in epochs, at most a fifth of the run. Increase it if the first "
        "steps diverge.",
    )
    lr_warmup_init: float | None = Field(
        None,
        ge=0,
        description="Learning rate at the start of warm-up for a batch of 64, scaled like learning_rate. null: a "
        "tenth of learning_rate.",
    )
    lr_decay_method: Literal["cosine", "stepwise", "polynomial"] = Field(
        "cosine", description="How the learning rate decays after warm-up. cosine needs no other setting."
    )
    first_lr_drop_epoch: float = Field(
        200.0, ge=0, description="stepwise: epoch at which the learning rate drops to a tenth."
    )
    second_lr_drop_epoch: float = Field(250.0, ge=0, description="stepwise: epoch at which it drops to a hundredth.")
    poly_lr_power: float = Field(0.9, gt=0, description="polynomial: exponent of the remaining fraction of the run.")
    clip_gradients_norm: float = Field(
        10.0,
        ge=0,
        description="Maximum global norm of the gradient; 0 turns clipping off. Lower it if the loss spikes.",
    )
    moving_average_decay: float = Field(
        0.9998,
        ge=0,
        lt=1,
        description="Decay of the weights' moving average (EMA), which is evaluated and exported; starts low and "
        "rises with the steps. 0 turns it off.",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Class targets move this fraction of the way to 0.5. Try 0.1 with noisy labels.",
    )
    alpha: float = Field(0.25, ge=0, le=1, description="Focal loss: weight of positives. Raise it if recall is low.")
    gamma: float = Field(
        1.5, ge=0, description="Focal loss: how strongly easy anchors are down-weighted. 0 is cross-entropy."
    )
    assignment: Literal["iou", "atss"] | None = Field(
        None,
        description="Which anchors learn a box. iou: those that overlap it by 0.5, as in the reference. atss: of those "
        "nearest to it, the best by a threshold of its own, for boxes that few anchors fit. Either way its best. null: "
        "atss for efficientdet-tiny's own backbone, iou for the others.",
    )
    quality_loss: Literal["qfl", "vfl"] | None = Field(
        None,
        description="Scores learn how tight a box is (IoU), not only that it is a plate: Quality or Varifocal Loss.",
    )
    delta: float = Field(
        0.1, gt=0, description="Huber loss: offset (in anchor sides) at which it changes from quadratic to linear."
    )
    box_loss_weight: float = Field(
        50.0,
        ge=0,
        description="Weight of the box loss relative to the class loss. Raise it if plates are found but boxes are "
        "loose.",
    )
    iou_loss_type: Literal["iou", "giou", "diou", "ciou"] | None = Field(
        None,
        description="An IoU loss in addition to Huber. Use ciou if boxes must be tight (mAP75, CCPD's IoU 0.7).",
    )
    iou_loss_weight: float = Field(1.0, ge=0, description="Weight of the IoU loss.")
    teacher: str | None = Field(
        None,
        description="Checkpoint folder of a trained detector, mostly a larger one, whose answers are learned beside "
        "the labels. It must have the same anchors and classes. For a small detector from few photographs.",
    )
    teacher_weight: float = Field(
        1.0, ge=0, description="Weight of the distance to the teacher's answers, relative to the labels' loss."
    )
    var_freeze_expr: str | None = Field(
        None,
        description="Regular expression matched at the start of variable names; matching variables are frozen, with "
        "their batch norm. 'efficientnet' freezes the backbone, '(efficientnet|fpn_cells|resample_p6)' "
        "everything but the heads: for few images.",
    )
    is_training_bn: bool = Field(
        True,
        description="Batch norm uses and updates the batch's statistics. false freezes it: for batches of 1 to 4 "
        "from pretrained weights.",
    )
    batch_norm_momentum: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Momentum of batch norm's running statistics. null: derived from the number of steps, up to the "
        "published 0.99, which needs hundreds of steps to settle.",
    )
    mixed_precision: Literal["bfloat16", "float16"] | None = Field(
        None,
        description="Compute in 16-bit: bfloat16, or float16 with loss scaling. Use it on GPUs (and CPUs with "
        "bfloat16).",
    )
    strategy: Literal["gpus", "multiworker", "tpu"] | None = Field(
        None,
        description="Multiple devices: gpus of one machine, multiworker from TF_CONFIG, tpu. The batch is split "
        "across them.",
    )
    seed: int = Field(0, ge=0, description="Seed of initial weights, shuffling and augmentation.")
    eval_every: int | None = Field(
        None,
        ge=1,
        description="Steps between evaluations on val, which select the best weights. null: five per run.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Evaluations without a new best after which the run stops early. null: no early stopping.",
    )
    checkpoint_every: int | None = Field(
        None,
        ge=1,
        description="Steps between checkpoints to resume from. null: same as eval_every. Lower it on preemptible "
        "machines.",
    )
    class_weights: Literal["inverse", "effective_number"] | None = Field(
        None,
        description="Weight classes by rarity: by inverse count, or by effective number. For unbalanced classes.",
    )
    balanced_sampling: bool = Field(
        False, description="Sample images so that each class is seen equally often. For unbalanced classes."
    )
    deterministic: bool = Field(
        False,
        description="Equal runs on one machine give equal weights, on GPUs too; slower there. CPUs are "
        "deterministic anyway.",
    )
    reference: bool = Field(
        False,
        description="Behave like google/automl where we differ on purpose: unscaled warm-up start, cosine that ends "
        "early, box targets of exactly 0 masked, freezing without batch norm. For comparisons only.",
    )

    @model_validator(mode="before")
    @classmethod
    def _epochs_replace_the_default_steps(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("num_epochs") is not None and "steps" not in values:
            return {**values, "steps": None}
        return values

    @field_validator("mixed_precision", "strategy", mode="before")
    @classmethod
    def _reference_spelling(cls, value: Any) -> Any:
        """google/automl writes mixed_precision as a boolean (float16 on GPUs) and no strategy as ''."""
        return {True: "float16", False: None, "": None}.get(value, value) if isinstance(value, bool | str) else value

    @field_validator("var_freeze_expr")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _one_length(self) -> "TrainConfig":
        if (self.steps is None) == (self.num_epochs is None):
            raise ValueError("give the length of the run once: steps, or num_epochs with steps: null")
        return self

    @model_validator(mode="after")
    def _one_target_of_scores(self) -> "TrainConfig":
        if self.quality_loss and self.label_smoothing:
            raise ValueError(
                f"label_smoothing {self.label_smoothing:g} does nothing with quality_loss {self.quality_loss}, whose "
                "targets are IoUs: set one of them alone"
            )
        return self


class AugmentConfig(Section):
    """What is done to training pictures."""

    input_rand_hflip: bool = Field(
        True, description="Mirror half of the pictures. Fine for finding plates, not for reading them."
    )
    jitter_min: float = Field(
        0.8,
        gt=0,
        description="Smallest random scale factor. Below about 0.5 small plates vanish (the reference's 0.1 is for "
        "COCO).",
    )
    jitter_max: float = Field(
        1.2, gt=0, description="Largest random scale factor; above 1 it crops. Raise it for plates of many sizes."
    )
    crop_width: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Width of a training picture as a share of the network's input. Under 1, training sees crops, "
        "mostly around an object: a step costs less, so more of them fit into the same time. null: 1, as in the "
        "reference.",
    )
    crop_height: float | None = Field(
        None,
        gt=0,
        le=1,
        description="The same for its height. null: 0.33 for efficientdet-tiny's own backbone, 1 for the others. A "
        "side that is not a multiple of 2^model.max_level px is not cropped.",
    )
    copy_paste: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of training pictures that get an object of another one, cut out along its corners, at a "
        "free place; an object without corners is not pasted. 0: none, as in the reference. For few pictures: boxes "
        "become tighter, and there are more false alarms of low score.",
    )
    autoaugment_policy: Literal["v0", "v1", "v2", "v3", "randaug"] | None = Field(
        None,
        description="AutoAugment's detection policies v0 to v3, or randaug. For long runs on few pictures.",
    )
    min_visible_area: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Share of a box's area that must remain in the crop; otherwise the box is dropped, and counted.",
    )
    min_box_side: float = Field(
        4.0,
        ge=0,
        description="Pixels of network input: a box with a side that jitter shrinks below this is not a positive, "
        "and is counted.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "AugmentConfig":
        if self.jitter_min > self.jitter_max:
            raise ValueError(f"jitter_min {self.jitter_min} is over jitter_max {self.jitter_max}")
        return self
