"""EfficientNet in tables: V1 and lite (Tan and Le, 2019), V2 (Tan and Le, 2021), and a tiny one for CPUs."""

import math
from dataclasses import dataclass, replace
from functools import cache

from plates.errors import UserError

# Of ImageNet's pixels in 0 to 255, as google/automl takes them (`hparams_config.py`).
MEAN_RGB = (123.675, 116.28, 103.53)
STDDEV_RGB = (58.395, 57.12, 57.375)

KERAS_BACKBONE = "keras.applications backbone"
"""The kind of a weights file with a backbone alone, as load reports name it."""


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind in a row. The first one has `stride`, the others 1."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int
    se_ratio: float = 0.25
    fused: bool = False


@dataclass(frozen=True)
class Backbone:
    """A backbone with every width and depth worked out.

    `survival_prob` is stochastic depth's, at the last block (1 at the first, linear between); 0 turns it off.
    `mean_rgb` and `stddev_rgb` are those of its ImageNet weights, on pixels in 0 to 255.
    """

    name: str
    stem: int
    stages: tuple[Stage, ...]
    survival_prob: float = 0.8
    act_type: str = "swish"
    mean_rgb: tuple[float, float, float] = MEAN_RGB
    stddev_rgb: tuple[float, float, float] = STDDEV_RGB


V1 = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
V2_BASE = (
    Stage(1, 3, 1, 1, 16, 0, fused=True),
    Stage(2, 3, 2, 4, 32, 0, fused=True),
    Stage(2, 3, 2, 4, 48, 0, fused=True),
    Stage(3, 3, 2, 4, 96),
    Stage(5, 3, 1, 6, 112),
    Stage(8, 3, 2, 6, 192),
)
V2_LARGE = {
    "s": (
        Stage(2, 3, 1, 1, 24, 0, fused=True),
        Stage(4, 3, 2, 4, 48, 0, fused=True),
        Stage(4, 3, 2, 4, 64, 0, fused=True),
        Stage(6, 3, 2, 4, 128),
        Stage(9, 3, 1, 6, 160),
        Stage(15, 3, 2, 6, 256),
    ),
    "m": (
        Stage(3, 3, 1, 1, 24, 0, fused=True),
        Stage(5, 3, 2, 4, 48, 0, fused=True),
        Stage(5, 3, 2, 4, 80, 0, fused=True),
        Stage(7, 3, 2, 4, 160),
        Stage(14, 3, 1, 6, 176),
        Stage(18, 3, 2, 6, 304),
        Stage(5, 3, 1, 6, 512),
    ),
    "l": (
        Stage(4, 3, 1, 1, 32, 0, fused=True),
        Stage(7, 3, 2, 4, 64, 0, fused=True),
        Stage(7, 3, 2, 4, 96, 0, fused=True),
        Stage(10, 3, 2, 4, 192),
        Stage(19, 3, 1, 6, 224),
        Stage(25, 3, 2, 6, 384),
        Stage(7, 3, 1, 6, 640),
    ),
}
# Width and depth; a lite takes those of the V1 with its number.
V1_SCALES = {
    "b0": (1.0, 1.0),
    "b1": (1.0, 1.1),
    "b2": (1.1, 1.2),
    "b3": (1.2, 1.4),
    "b4": (1.4, 1.8),
    "b5": (1.6, 2.2),
    "b6": (1.8, 2.6),
    "b7": (2.0, 3.1),
}
V2_SCALES = {"b0": (1.0, 1.0), "b1": (1.0, 1.1), "b2": (1.1, 1.2), "b3": (1.2, 1.4)}


def round_filters(filters: float, *, guard: bool = True) -> int:
    """The nearest multiple of 8; with `guard` never more than 10% down (V2's own code has no such guard)."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if guard and rounded < 0.9 * filters else rounded


def _scaled(stage: Stage, width: float, depth: float, *, guard: bool = True) -> Stage:
    return replace(
        stage,
        filters=round_filters(stage.filters * width, guard=guard),
        repeats=math.ceil(stage.repeats * depth),
    )


def _v1(scale: str) -> Backbone:
    width, depth = V1_SCALES[scale]
    return Backbone(
        name=f"efficientnet-{scale}",
        stem=round_filters(32 * width),
        stages=tuple(_scaled(stage, width, depth) for stage in V1),
        survival_prob=0.0 if scale == "b0" else 0.8,
    )


def _lite(number: int) -> Backbone:
    """No squeeze-excite, relu6, the stem unscaled, the first and last stage not deepened."""
    width, depth = V1_SCALES[f"b{number}"]
    plain = [replace(stage, se_ratio=0) for stage in V1]
    ends = (0, len(V1) - 1)
    return Backbone(
        name=f"efficientnet-lite{number}",
        stem=32,
        stages=tuple(_scaled(s, width, 1.0 if i in ends else depth) for i, s in enumerate(plain)),
        act_type="relu6",
        mean_rgb=(127.0,) * 3,
        stddev_rgb=(128.0,) * 3,
    )


def _v2(scale: str) -> Backbone:
    name = f"efficientnetv2-{scale}"
    if scale in V2_LARGE:
        stages = V2_LARGE[scale]
        stem = 32 if scale == "l" else 24
        return Backbone(name, stem, stages, mean_rgb=(128.0,) * 3, stddev_rgb=(128.0,) * 3)
    width, depth = V2_SCALES[scale]
    stages = tuple(_scaled(stage, width, depth, guard=False) for stage in V2_BASE)
    return Backbone(name, round_filters(32 * width, guard=False), stages)


def _tiny() -> Backbone:
    """V1 at half width and half depth; the first three stages fused as V2 has them: 3x3, expansion 4, no gates."""
    halved = [_scaled(stage, 0.5, 0.5) for stage in V1]
    fused = [
        replace(s, kernel=3, expand=min(s.expand, 4), se_ratio=0, fused=True) if i < 3 else s
        for i, s in enumerate(halved)
    ]
    return Backbone("efficientnet-tiny", 16, tuple(fused), survival_prob=0.0)


@cache
def backbones() -> dict[str, Backbone]:
    """Every backbone by its name."""
    tables = [
        _tiny(),
        *(_v1(scale) for scale in V1_SCALES),
        *(_lite(number) for number in range(5)),
        *(_v2(scale) for scale in (*V2_SCALES, *V2_LARGE)),
    ]
    return {table.name: table for table in tables}


def backbone_table(name: str) -> Backbone:
    """The backbone of that name, or a `UserError` that names them all."""
    known = backbones()
    if name not in known:
        raise UserError(f"no backbone is called {name!r}; there are {', '.join(known)}")
    return known[name]
