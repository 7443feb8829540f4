"""Banks of grey noise, made once per process from a fixed seed, from which scenes cut their textures."""

from functools import cache

import numpy as np
from PIL import Image

BANK = (1400, 1000)  # height, width
SEED = 20180908

# kind: for each octave, the size in pixels of its blobs and its weight.
OCTAVES: dict[str, tuple[tuple[int, float], ...]] = {
    "smooth": ((320, 1.0), (120, 0.4)),
    "cloud": ((200, 1.0), (80, 0.7), (30, 0.4), (10, 0.25)),
    "rough": ((90, 0.6), (30, 0.7), (10, 0.8), (4, 0.7)),
    "foliage": ((120, 0.8), (40, 0.8), (14, 1.0), (5, 0.8)),
    "grain": ((60, 0.25), (6, 0.5), (2, 1.0)),
    "brushed": ((3, 1.0), (30, 0.5)),
}


@cache
def _bank(kind: str) -> Image.Image:
    rng = np.random.default_rng([SEED, list(OCTAVES).index(kind)])
    total = np.zeros(BANK, np.float32)
    for blob, weight in OCTAVES[kind]:
        rows, columns = BANK[0] // blob + 2, BANK[1] // (blob if kind != "brushed" else 12 * blob) + 2
        octave = Image.fromarray(rng.normal(size=(rows, columns)).astype(np.float32))
        total += weight * np.asarray(octave.resize(BANK[::-1], Image.Resampling.BICUBIC))
    total = (total - total.mean()) / total.std()
    return Image.fromarray(np.clip(128 + 50 * total, 0, 255).astype(np.uint8))


def noise_field(kind: str, size: tuple[int, int], rng: np.random.Generator, zoom: float = 1.0) -> Image.Image:
    """A grey picture of `size` (width, height) cut at random from the noise `kind`; `zoom` enlarges its blobs.

    Its values have a mean near 128 and a standard deviation near 50 over the whole bank.
    """
    bank = _bank(kind)
    width, height = min(bank.width, round(size[0] / zoom)), min(bank.height, round(size[1] / zoom))
    x, y = int(rng.integers(bank.width - width + 1)), int(rng.integers(bank.height - height + 1))
    field = bank.crop((x, y, x + width, y + height))
    if rng.random() < 0.5:
        field = field.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return field if field.size == size else field.resize(size, Image.Resampling.BILINEAR)


@cache
def sensor_noise(strength: int) -> Image.Image:
    """Coloured noise around 128 with a standard deviation of about `strength`, larger than any scene."""
    rng = np.random.default_rng([SEED, 1000 + strength])
    grey = rng.normal(0, strength, (*BANK, 1))
    blotches = Image.fromarray(
        rng.normal(0, 60, (BANK[0] // 3, BANK[1] // 3, 3)).clip(-127, 127).astype(np.int8).view(np.uint8)
        + np.uint8(128)
    )
    colour = np.asarray(blotches.resize(BANK[::-1], Image.Resampling.BILINEAR)).astype(np.float32) - 128
    return Image.fromarray(np.clip(128 + grey + colour * strength / 60, 0, 255).astype(np.uint8))


def colour_ramp(field: Image.Image, dark: np.ndarray, light: np.ndarray) -> Image.Image:
    """`field` with its greys turned into the colours from `dark` to `light` (RGB, 0..255)."""
    steps = np.arange(256)[:, None] / 255
    table = np.clip(dark * (1 - steps) + light * steps, 0, 255).astype(np.uint8)
    coloured = field.copy()
    coloured.putpalette(table.tobytes())
    return coloured.convert("RGB")
