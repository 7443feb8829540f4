"""The network: which variant, which weights, and what to change about it."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from plates.efficientdet.config.base import WORDS, Section
from plates.efficientdet.config.image_size import parse_image_size

Head = Literal["object_detection", "corners", "segmentation"]
Fusion = Literal["fastattn", "attn", "channel_fastattn", "channel_attn", "sum"]
Activation = Literal["swish", "silu", "swish_native", "hswish", "relu", "relu6", "mish", "srelu"]


class ModelConfig(Section):
    """Which EfficientDet to build. null is the variant's own value (`plates models` prints them)."""

    name: str = Field(
        "efficientdet-tiny",
        description="Variant: efficientdet-tiny, -d0 to -d7, -d7x, -lite0 to -lite4, -lite3x. A larger one finds "
        "smaller plates and costs more time; tiny is for dry runs and CPUs.",
    )
    backbone: str | None = Field(
        None,
        description="Another backbone: efficientnetv2-b0 to -b3, -s, -m, -l (or efficientnet-b0 to -b7). "
        "V2 trains faster on GPUs and has ImageNet weights in Keras.",
    )
    pretrained: str = Field(
        "none",
        description="Weights to start from: none, imagenet (Keras's, backbone only), coco (the published detector "
        "of this variant), or a path to a .weights.h5, a published archive or a checkpoint folder "
        "(models/champion). With few images, start from coco or imagenet.",
    )
    pretrained_sha256: str | None = Field(
        None,
        description="SHA-256 (64 hex digits) that the pretrained weights file must have. Pin it so that the "
        "download cannot change unnoticed; the actual hash is always recorded.",
    )
    allow_partial_backbone: bool = Field(
        False,
        description="Accept pretrained weights that do not cover the whole backbone. Turn it on only if you changed "
        "the backbone on purpose.",
    )
    image_size: int | str | None = Field(
        None,
        description='Network input in pixels: 640, or "640x320" as width x height. Matters most for small plates; '
        "cost grows with its square. Multiples of 128 fit the pyramid best.",
    )
    num_classes: int | None = Field(
        None,
        ge=1,
        description="Number of classifier outputs, equal to the largest class id (ids start at 1). null: from the "
        "data's label map.",
    )
    label_map: dict[int, str] | None = Field(
        None, description="Class id, from 1, to name, as {1: license_plate}. null: the data's own."
    )
    heads: Annotated[list[Head], WORDS] = Field(
        ["object_detection"],
        min_length=1,
        description="object_detection, corners and segmentation, those you need separated by a comma. corners finds "
        "the four corners of each box's plate, to hide or read tilted plates; it needs object_detection and examples "
        "with corners. segmentation learns the plates' mask from the corners.",
    )
    min_level: int | None = Field(
        None,
        ge=2,
        le=5,
        description="Finest pyramid level; level l has a stride of 2^l pixels. 2 finds tiny plates at "
        "about 4 times the cost.",
    )
    max_level: int | None = Field(
        None,
        ge=3,
        le=9,
        description="Coarsest pyramid level. Lower it if no object is large, raise it (7, 8) if objects can fill "
        "the picture.",
    )
    num_scales: int | None = Field(
        None,
        ge=1,
        le=8,
        description="Anchor sizes per octave, 2^(i/num_scales). Raise it if anchor recall is low; the cost of the "
        "heads' last layer is proportional.",
    )
    aspect_ratios: Literal["auto"] | list[float] | list[tuple[float, float]] | None = Field(
        None,
        description="Anchor shapes: width/height ratios [1.0, 2.0, 0.5], or pairs [x, y] of multipliers, "
        'or "auto" from the anchors asset. Plates are wide: fit them (plates anchors).',
    )
    anchor_scale: float | list[float] | None = Field(
        None,
        description="Side of the smallest square anchor of a level in strides (4.0), or a list with one per level. "
        "Lower it for small objects.",
    )
    fpn_num_filters: int | None = Field(
        None,
        ge=8,
        description="Channels of BiFPN and heads. Lower is faster; published weights need the variant's own.",
    )
    fpn_cell_repeats: int | None = Field(None, ge=1, description="Number of BiFPN cells. Fewer is faster.")
    box_class_repeats: int | None = Field(
        None, ge=0, description="Convolutions in each head before the prediction. Fewer is faster."
    )
    fpn_weight_method: Fusion | None = Field(
        None,
        description="How BiFPN weights its inputs: fastattn (relu, normalised), attn (softmax), channel_fastattn "
        "and channel_attn (one weight per channel), sum (no weights; more stable in 16-bit and for "
        "quantised models).",
    )
    act_type: Activation | None = Field(
        None,
        description="Activation function used everywhere. relu6 suits integer hardware, swish is the most accurate.",
    )
    survival_prob: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Stochastic depth in the heads: the survival probability falls linearly from 1 at the first "
        "repeat towards this, as in the reference. Setting it also adds the heads' residual connections. Try 0.8 on "
        "long runs that overfit. The backbone has its own, fixed by the variant.",
    )
    separable_conv: bool = Field(
        True,
        description="Separable convolutions in BiFPN and heads. false: plain 3x3, several times the parameters.",
    )
    mean_rgb: float | list[float] | None = Field(
        None,
        description="Mean of the pixels in 0 to 255, one value or three (R, G, B). Must match the pretrained weights.",
    )
    stddev_rgb: float | list[float] | None = Field(
        None, description="Standard deviation of the pixels in 0 to 255, one value or three (R, G, B)."
    )
    grad_checkpoint: bool = Field(
        False,
        description="Recompute activations in the backward pass: about half the memory for about a third more time. "
        "Turn it on if the batch does not fit.",
    )
    seg_num_classes: int = Field(
        2, ge=2, description="Number of classes of the segmentation head, including background."
    )

    @field_validator("image_size")
    @classmethod
    def _size_parses(cls, value: int | str | None) -> int | str | None:
        if value is not None:
            parse_image_size(value)
        return value

    @field_validator("heads")
    @classmethod
    def _heads_once(cls, value: list[Head]) -> list[Head]:
        if len(set(value)) != len(value):
            raise ValueError(f"heads names one twice: {value}")
        if "corners" in value and "object_detection" not in value:
            raise ValueError("corners are those of a box: heads needs object_detection beside corners")
        return value

    @field_validator("aspect_ratios", "anchor_scale", "stddev_rgb")
    @classmethod
    def _positive(cls, value: object) -> object:
        numbers = value if isinstance(value, list) else [value]
        flat = [n for item in numbers for n in (item if isinstance(item, tuple) else (item,))]
        if not flat or any(isinstance(n, int | float) and n <= 0 for n in flat):
            raise ValueError(f"must be one or more numbers over 0, not {value}")
        return value

    @field_validator("mean_rgb", "stddev_rgb")
    @classmethod
    def _one_or_three(cls, value: float | list[float] | None) -> float | list[float] | None:
        if isinstance(value, list) and len(value) != 3:
            raise ValueError(f"must be one number or three (R, G, B), not {len(value)}")
        return value

    @field_validator("pretrained_sha256")
    @classmethod
    def _is_sha256(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 64 or set(value.lower()) - set("0123456789abcdef")):
            raise ValueError("must be 64 hex digits")
        return value.lower() if value else value

    @model_validator(mode="after")
    def _label_map_names_every_class(self) -> "ModelConfig":
        if self.label_map is not None:
            count = self.num_classes or max(self.label_map, default=0)
            missing = sorted(set(range(1, count + 1)) - set(self.label_map))
            beyond = sorted(id_ for id_ in self.label_map if not 1 <= id_ <= count)
            if not self.label_map or missing or beyond:
                raise ValueError(
                    f"label_map must name every class id from 1 to {count or 'num_classes'}"
                    + (f"; it misses {missing}" if missing else "")
                    + (f"; {beyond} are outside" if beyond else "")
                )
        if self.min_level is not None and self.max_level is not None and self.min_level >= self.max_level:
            raise ValueError(f"min_level {self.min_level} must be under max_level {self.max_level}")
        return self
