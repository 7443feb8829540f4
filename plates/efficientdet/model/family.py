"""The family: one table of scaling (EfficientDet, Tan et al., 2020, table 1; google/automl's configurations).

`resolve` turns the user's `ModelConfig` into a `Spec` with nothing left open.
"""

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from plates.efficientdet.config import AugmentConfig, ModelConfig, NmsConfig, parse_image_size
from plates.efficientdet.model.backbone_tables import backbone_table
from plates.errors import UserError


class Suited(NamedTuple):
    """What a setting that is null means for a backbone; the values here are the reference's.

    crop_height: `augment.crop_height`. assignment: `train.assignment`. voting: `nms.voting`.
    """

    crop_height: float = 1.0
    assignment: str = "iou"
    voting: float = 0.0


SUITED = {"efficientnet-tiny": Suited(crop_height=0.33, assignment="atss", voting=0.65)}
"""Backbones that reach more in the same time with other settings than the reference's: docs/ablation.md."""


@dataclass(frozen=True)
class Variant:
    """A variant's own settings; a field that `ModelConfig` has too can be overridden there."""

    backbone: str
    image_size: int | str
    fpn_num_filters: int
    fpn_cell_repeats: int
    box_class_repeats: int
    fpn_weight_method: str = "fastattn"
    anchor_scale: float = 4.0
    aspect_ratios: tuple[float, ...] = (1.0, 2.0, 0.5)
    num_scales: int = 3
    min_level: int = 3
    max_level: int = 7


def _lite(number: int, size: int, filters: int, cells: int, repeats: int, anchor_scale: float = 4.0) -> Variant:
    return Variant(f"efficientnet-lite{number}", size, filters, cells, repeats, "sum", anchor_scale)


VARIANTS: dict[str, Variant] = {
    "efficientdet-tiny": Variant(
        *("efficientnet-tiny", "240x384", 64, 2, 3),
        anchor_scale=2.5,
        aspect_ratios=(1.8, 2.5, 3.4),
        max_level=5,
    ),
    "efficientdet-d0": Variant("efficientnet-b0", 512, 64, 3, 3),
    "efficientdet-d1": Variant("efficientnet-b1", 640, 88, 4, 3),
    "efficientdet-d2": Variant("efficientnet-b2", 768, 112, 5, 3),
    "efficientdet-d3": Variant("efficientnet-b3", 896, 160, 6, 4),
    "efficientdet-d4": Variant("efficientnet-b4", 1024, 224, 7, 4),
    "efficientdet-d5": Variant("efficientnet-b5", 1280, 288, 7, 4),
    "efficientdet-d6": Variant("efficientnet-b6", 1280, 384, 8, 5, "sum"),
    "efficientdet-d7": Variant("efficientnet-b6", 1536, 384, 8, 5, "sum", 5.0),
    "efficientdet-d7x": Variant("efficientnet-b7", 1536, 384, 8, 5, "sum", 4.0, max_level=8),
    "efficientdet-lite0": _lite(0, 320, 64, 3, 3, 3.0),
    "efficientdet-lite1": _lite(1, 384, 88, 4, 3, 3.0),
    "efficientdet-lite2": _lite(2, 448, 112, 5, 3, 3.0),
    "efficientdet-lite3": _lite(3, 512, 160, 6, 4),
    "efficientdet-lite3x": _lite(3, 640, 200, 6, 4, 3.0),
    "efficientdet-lite4": _lite(4, 640, 224, 7, 4),
}


@dataclass(frozen=True)
class Spec:
    """A detector with nothing left open.

    `image_size` is (height, width) in pixels. `aspect_ratios` are (x, y) multipliers of an anchor's side;
    `anchor_scale` has one entry a level, in strides. `mean_rgb` and `stddev_rgb` are of pixels in 0 to 255.
    """

    name: str
    backbone: str
    image_size: tuple[int, int]
    num_classes: int
    min_level: int
    max_level: int
    num_scales: int
    aspect_ratios: tuple[tuple[float, float], ...]
    anchor_scale: tuple[float, ...]
    fpn_num_filters: int
    fpn_cell_repeats: int
    box_class_repeats: int
    fpn_weight_method: str
    act_type: str
    survival_prob: float | None
    separable_conv: bool
    mean_rgb: tuple[float, ...]
    stddev_rgb: tuple[float, ...]
    grad_checkpoint: bool
    heads: tuple[str, ...]
    seg_num_classes: int

    @property
    def levels(self) -> range:
        """The pyramid's levels, finest first."""
        return range(self.min_level, self.max_level + 1)

    @property
    def num_anchors(self) -> int:
        """Anchors in a cell."""
        return self.num_scales * len(self.aspect_ratios)

    def training_size(self, augment: AugmentConfig) -> tuple[int, int]:
        """(height, width) in px of a training picture: the input's, or a crop's.

        A crop is rounded up to whole cells of the coarsest level, and a side that is not a multiple of them is shown
        whole: only then do features and anchors lie in a crop as in a whole picture.
        """
        cell = 2**self.max_level
        height, width = (
            side if side % cell else min(side, math.ceil(share * side / cell) * cell)
            for side, share in zip(self.image_size, self.crop_shares(augment), strict=True)
        )
        return height, width

    def crop_shares(self, augment: AugmentConfig) -> tuple[float, float]:
        """The shares of height and width that a training picture is asked to show."""
        return augment.crop_height or suited(self.backbone).crop_height, augment.crop_width or 1.0

    def post_processing(self, nms: NmsConfig) -> NmsConfig:
        """The settings with what suits the backbone where `voting` is null."""
        least = suited(self.backbone).voting if nms.voting is None else nms.voting
        return nms.model_copy(update={"voting": least})

    @property
    def mask_stride(self) -> int:
        """Pixels of the network's input in a cell of the segmentation head's mask: half the finest level's stride."""
        return 2 ** (self.min_level - 1)

    def with_anchors(
        self,
        num_scales: int,
        aspect_ratios: Sequence[float] | Sequence[Sequence[float]],
        anchor_scale: float | Sequence[float],
    ) -> "Spec":
        """The same detector with another layout of anchors, in the forms that `ModelConfig` takes."""
        return replace(
            self,
            num_scales=num_scales,
            aspect_ratios=tuple(_multipliers(ratio) for ratio in aspect_ratios),
            anchor_scale=_per_level(anchor_scale, len(self.levels)),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields in JSON's types."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Spec":
        """The detector of these fields, where JSON has made lists of tuples."""
        return cls(**{name: _tuples(value) for name, value in fields.items()})

    def feature_size(self, level: int) -> tuple[int, int]:
        """(height, width) of a level in cells: half of the level before, rounded up."""
        height, width = self.image_size
        return -(-height // 2**level), -(-width // 2**level)


def variant(name: str) -> Variant:
    """The variant of that name, or a `UserError` with the nearest one."""
    if name not in VARIANTS:
        near = difflib.get_close_matches(name, VARIANTS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"no model is called {name!r}{hint}; `plates models` lists them: {', '.join(VARIANTS)}")
    return VARIANTS[name]


def assignment(name: str, backbone: str | None, asked: str | None) -> str:
    """How anchors are assigned in training, "iou" or "atss": as `train.assignment` asks, or what suits the backbone."""
    return asked or suited(backbone or variant(name).backbone).assignment


def suited(backbone: str) -> Suited:
    """What suits the backbone."""
    return SUITED.get(backbone, Suited())


def resolve(
    model: ModelConfig,
    num_classes: int | None = None,
    aspect_ratios: Sequence[float] | Sequence[Sequence[float]] | None = None,
) -> Spec:
    """The detector that `model` asks for.

    Args:
        num_classes: of the data, used if the configuration names none.
        aspect_ratios: of the anchors asset, used if the configuration says "auto".

    Raises:
        UserError: configuration and data do not fit each other, or something is missing.
    """
    base = variant(model.name)
    backbone = backbone_table(model.backbone or base.backbone)
    chosen = {field.name: _first(getattr(model, field.name), getattr(base, field.name)) for field in fields(Variant)}
    if chosen["min_level"] >= chosen["max_level"]:
        raise UserError(f"min_level {chosen['min_level']} must be under max_level {chosen['max_level']}")
    if chosen["aspect_ratios"] == "auto":
        if aspect_ratios is None:
            raise UserError(
                "model.aspect_ratios is auto, and no anchors are fitted yet; run `plates materialize anchors`"
            )
        chosen["aspect_ratios"] = aspect_ratios
    return Spec(
        **chosen
        | {
            "name": model.name,
            "backbone": backbone.name,
            "image_size": parse_image_size(chosen["image_size"]),
            "num_classes": _num_classes(model, num_classes),
            "aspect_ratios": tuple(_multipliers(ratio) for ratio in chosen["aspect_ratios"]),
            "anchor_scale": _per_level(chosen["anchor_scale"], chosen["max_level"] - chosen["min_level"] + 1),
        },
        act_type=model.act_type or backbone.act_type,
        survival_prob=model.survival_prob,
        separable_conv=model.separable_conv,
        mean_rgb=_three(_first(model.mean_rgb, backbone.mean_rgb)),
        stddev_rgb=_three(_first(model.stddev_rgb, backbone.stddev_rgb)),
        grad_checkpoint=model.grad_checkpoint,
        heads=tuple(model.heads),
        seg_num_classes=model.seg_num_classes,
    )


def check_classes(wanted: dict[int, str] | None, num_classes: int | None, found: dict[int, str]) -> None:
    """Checks the model's settings against the classes in the TFRecords.

    Raises:
        UserError: `model.label_map` gives a class a different id, or `model.num_classes` allows for classes that have
            no name there.
    """
    if num_classes is not None and num_classes > max(found):
        raise UserError(
            f"model.num_classes is {num_classes}, but the data's classes end at {max(found)}: detections of the others "
            "would have no name. Remove model.num_classes; a pretrained head of another width is re-initialised, and "
            "the run says so"
        )
    if wanted is None or wanted == found:
        return
    wrong = [
        f"{key} is {name!r} in the TFRecords, {wanted.get(key, 'missing')!r} in model.label_map"
        for key, name in found.items()
        if wanted.get(key) != name
    ]
    if wrong:
        raise UserError(
            f"model.label_map does not fit the TFRecords: {'; '.join(wrong)}. Remove it (the TFRecords bring "
            f"their own), or write {found}"
        )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _num_classes(model: ModelConfig, from_data: int | None) -> int:
    named = max(model.label_map) if model.label_map else None
    chosen = _first(model.num_classes, named, from_data)
    if chosen is None:
        raise UserError("the number of classes is open: set model.num_classes or model.label_map")
    if from_data is not None and from_data > chosen:
        raise UserError(
            f"the data has class ids up to {from_data}, the model knows {chosen}; set model.num_classes: {from_data} "
            "and name every id in model.label_map"
        )
    return chosen


def _multipliers(ratio: float | Sequence[float]) -> tuple[float, float]:
    """A width/height ratio r as (sqrt r, 1 / sqrt r); a pair stays."""
    if isinstance(ratio, Sequence):
        return float(ratio[0]), float(ratio[1])
    return float(ratio) ** 0.5, float(ratio) ** -0.5


def _per_level(scale: float | Sequence[float], count: int) -> tuple[float, ...]:
    scales = tuple(scale) if isinstance(scale, Sequence) else (scale,) * count
    if len(scales) != count:
        raise UserError(f"model.anchor_scale has {len(scales)} entries for {count} levels; give one, or one for each")
    return tuple(float(s) for s in scales)


def _three(value: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in value) if isinstance(value, Sequence) else (float(value),) * 3


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
