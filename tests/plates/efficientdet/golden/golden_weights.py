"""The weights with which the reference ran, drawn again: those of `../shared/reference/d0_256`, bit for bit."""

import zlib

import numpy as np

SEED = 20240256
SMALL = ("beta", "moving_mean", "bias")


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The variable that google/automl calls `name`: float32 values of bfloat16's precision."""
    random = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    kind = name.rsplit("/", 1)[1]
    if kind in ("gamma", "moving_variance"):
        values = random.uniform(0.5, 1.5, shape)
    elif kind.startswith("WSM"):
        values = random.uniform(0.2, 2, shape)
    elif name.startswith("class_net/class-predict/") and kind == "bias":
        values = random.normal(-3, 0.3, shape)
    elif kind in SMALL:
        values = random.normal(0, 0.1, shape)
    else:
        fan_in = shape[0] * shape[1] * (1 if kind == "depthwise_kernel" else shape[2])
        values = random.normal(0, gain(name) / np.sqrt(fan_in), shape)
    return bfloat16(values)


def gain(name: str) -> float:
    """By how much a kernel is larger than 1 / sqrt(fan in), so that signals neither die nor explode."""
    part, kind = name.rsplit("/", 1)
    if kind == "depthwise_kernel":
        return 2.2 if part.startswith("fpn_cells/") else 1.5 if "_net/" in part else 1.4
    if kind == "pointwise_kernel" and "_net/" in part:
        return {"class_net/class-predict": 1.2, "box_net/box-predict": 0.35}.get(part, 1.1)
    projects = part.endswith("/conv2d_1") or part.endswith("blocks_0/conv2d")
    return 1.9 if part.startswith("efficientnet-b0/blocks_") and projects and "/se/" not in part else 1.0


def bfloat16(values: np.ndarray) -> np.ndarray:
    """Rounded to bfloat16, ties to even, and back to float32."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + ((bits >> 16) & 1) + 0x7FFF) & 0xFFFF0000).astype(np.uint32).view(np.float32)
