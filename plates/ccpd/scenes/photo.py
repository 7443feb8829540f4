"""What the camera does to a scene: exposure, colour cast, blur, noise, the stamp of the date, JPEG."""

import io

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from plates.ccpd.scenes.street import words
from plates.ccpd.scenes.texture import noise_field, sensor_noise

NOISE_STRENGTHS = (2, 4, 7, 11)


class Light:
    """Uneven light over the frame, for the street and for the plate: the shade of trees and walls, and glare."""

    def __init__(self, size: tuple[int, int], subset: str, rng: np.random.Generator) -> None:
        """Light for a photograph of `size` (width, height)."""
        self.size = size
        hard = subset in ("db", "challenge")
        grid = (size[0] // 8, size[1] // 8)
        depth = rng.uniform(0.0, 0.4) + 0.2 * hard
        field = noise_field("smooth" if rng.random() < 0.75 else "cloud", grid, rng)
        self.shade = field.point([round(255 * (1 - depth * max(0, 190 - v) / 190)) for v in range(256)])
        self.glare: Image.Image | None = None
        if rng.random() < (0.35 if hard else 0.08):
            spot = Image.new("L", grid)
            x, y, r = rng.uniform(0, grid[0]), rng.uniform(0, grid[1]), rng.uniform(8, 30)
            ImageDraw.Draw(spot).ellipse((x - r, y - r, x + r, y + r), fill=int(rng.uniform(60, 190)))
            self.glare = spot.reduce(12).resize(grid, Image.Resampling.BICUBIC)

    def __call__(self, image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        """A picture of the part `box` of the photograph (pixels, at any scale), lit."""
        scale = self.shade.width / self.size[0]
        left, top, right, bottom = (max(edge * scale, 0) for edge in box)
        part = (left, top, min(right, self.shade.width), min(bottom, self.shade.height))
        image = ImageChops.multiply(image, _grey(self.shade.resize(image.size, Image.Resampling.BILINEAR, part)))
        if self.glare is not None:
            image = ImageChops.add(image, _grey(self.glare.resize(image.size, Image.Resampling.BILINEAR, part)))
        return image


def _grey(field: Image.Image) -> Image.Image:
    return Image.merge("RGB", (field, field, field))


def develop(image: Image.Image, subset: str, rng: np.random.Generator) -> Image.Image:
    """The RGB photograph of a lit scene, as the subset's photographs look. Same size."""
    image = _blur(image, subset, rng)
    image = _tone(image, subset, rng)
    strength = int(rng.choice(NOISE_STRENGTHS, p=(0.3, 0.35, 0.22, 0.13)))
    noise = sensor_noise(strength)
    x, y = int(rng.integers(noise.width - image.width + 1)), int(rng.integers(noise.height - image.height + 1))
    image = ImageChops.add(image, noise.crop((x, y, x + image.width, y + image.height)), 1, -128)
    if rng.random() < 0.08:
        _stamp(image, rng)
    return image


def _blur(image: Image.Image, subset: str, rng: np.random.Generator) -> Image.Image:
    soft = {"blur": 0.95, "challenge": 0.4, "green": 0.4}.get(subset, 0.12)
    if rng.random() > soft:
        return image
    width = rng.uniform(1.2, 2.2) if subset != "blur" else rng.uniform(1.4, 3.2)
    small = image.resize((round(image.width / width), round(image.height / width)), Image.Resampling.BOX)
    if rng.random() < 0.5:  # motion
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(1, 3 if subset == "blur" else 2)
        moved = small
        for step in range(1, 5):
            offset = (round(step * reach * np.cos(angle) / 2), round(step * reach * np.sin(angle) / 2))
            moved = Image.blend(moved, ImageChops.offset(small, *offset), 1 / (step + 1))
        small = moved
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _tone(image: Image.Image, subset: str, rng: np.random.Generator) -> Image.Image:
    """Exposure, contrast and a colour cast, clipped at both ends as phone cameras clip."""
    gamma, gain, lift = np.exp(rng.normal(-0.15, 0.25)), rng.uniform(0.95, 1.7), rng.normal(0.02, 0.07)
    if subset == "db" or (subset == "challenge" and rng.random() < 0.25):
        dark = rng.random() < 0.7
        gain, lift = (rng.uniform(0.5, 0.85), -rng.uniform(0.04, 0.15)) if dark else (1.3, rng.uniform(0.1, 0.25))
    cast = rng.normal(0, 0.025, 3) + np.array([-0.5, 1.0, -0.5]) * max(0.0, rng.normal(0.02, 0.05))
    value = np.linspace(0, 1, 256)[:, None] ** gamma
    curve = np.clip((value - 0.45) * gain + 0.45 + lift + cast, 0, 1)
    return image.point((curve * 255).astype(np.uint8).T.ravel().tolist())


def _stamp(image: Image.Image, rng: np.random.Generator) -> None:
    font = ImageFont.load_default(float(rng.integers(18, 40)))
    text = f"20{rng.integers(15, 20)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d} {words(rng, 3, 6)}"
    y = float(rng.choice([10, image.height - 60]))
    colour = (255, 255, 255) if rng.random() < 0.5 else (255, 160, 20)
    ImageDraw.Draw(image).text((float(rng.uniform(10, 300)), y), text, fill=colour, font=font)


def encode_jpeg(image: Image.Image, rng: np.random.Generator) -> bytes:
    """JPEG bytes at a phone's usual quality."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(45, 88)), subsampling=2)
    return stream.getvalue()
