"""From a layout to a photograph and its label."""

import numpy as np
from PIL import Image, ImageChops

from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH, tilt
from plates.ccpd.label import Label
from plates.ccpd.scenes.car import draw_car
from plates.ccpd.scenes.layout import Layout, edges
from plates.ccpd.scenes.photo import Light, develop, encode_jpeg
from plates.ccpd.scenes.plate import SIZES, draw_plate
from plates.ccpd.scenes.projection import Canvas, quad, rgb, warp
from plates.ccpd.scenes.street import draw_street, stencil, words

DRAFT = 0.5  # street and car are painted at this share of the photograph's size, the plate at its full size


def render(seed: int, layout: Layout) -> tuple[bytes, Label | None]:
    """The JPEG (720x1160) of a scene and its label; None if no plate is in it. Same seed and layout, same bytes."""
    rng = np.random.default_rng([seed, layout.index, 2])
    draft = Image.new("RGB", (round(IMAGE_WIDTH * DRAFT), round(IMAGE_HEIGHT * DRAFT)))
    canvas = Canvas(draft, layout.camera, DRAFT)
    ground = rng.uniform(260, 620)
    draw_street(canvas, ground, rng)
    draw_car(canvas, ground, rng)
    if layout.plate or rng.random() < 0.5:
        _frame(canvas, layout, rng)
    light = Light((IMAGE_WIDTH, IMAGE_HEIGHT), layout.subset, rng)
    draft = light(draft, (0, 0, IMAGE_WIDTH, IMAGE_HEIGHT))
    photo = draft.resize((IMAGE_WIDTH, IMAGE_HEIGHT), Image.Resampling.BILINEAR)
    if layout.plate:
        _mount_plate(photo, layout, light, rng)
    photo = develop(photo, layout.subset, rng)
    label = _label(photo, layout) if layout.plate else None
    return encode_jpeg(photo, rng), label


def _frame(canvas: Canvas, layout: Layout, rng: np.random.Generator) -> None:
    """The holder that shows around a plate, with the dealer's name on it; alone it is an empty holder."""
    half_width, half_height = SIZES[layout.plate_type][0] / 2, SIZES[layout.plate_type][1] / 2
    if rng.random() < 0.65:
        rim, foot = rng.uniform(2, 14), rng.uniform(2, 30)
        colour = np.full(3, rng.choice([rng.uniform(5, 50), rng.uniform(150, 235)]))
        canvas.polygon(quad(-half_width - rim, -half_height - rim, half_width + rim, half_height + foot), colour)
        if foot > 16:
            line = quad(-half_width * 0.7, half_height + 4, half_width * 0.7, half_height + foot - 3)
            canvas.stamp(stencil(words(rng, 10, 22), 24), line, 255 - colour, 0.8)


def _mount_plate(photo: Image.Image, layout: Layout, light: Light, rng: np.random.Generator) -> None:
    picture = draw_plate(layout.plate, layout.plate_type, rng)
    shade = rng.uniform(0.8, 1.25)
    picture = picture.point([min(255, round(v * shade)) for v in range(256)] * 3)
    right_bottom, left_bottom, left_top, right_top = layout.camera(edges(layout.plate_type))
    corners = np.array([left_top, right_top, right_bottom, left_bottom])
    patch, origin = warp(picture, corners)
    mask, _ = warp(Image.new("L", picture.size, 255), corners)
    if patch is None or mask is None:
        raise ValueError(f"the plate of scene {layout.index} has no area: {corners.tolist()}")
    if rng.random() < 0.5:  # the plate's own thin shadow
        photo.paste(
            rgb(np.zeros(3)), (origin[0] + 2, origin[1] + 3), ImageChops.multiply(mask, Image.new("L", mask.size, 120))
        )
    box = (*origin, origin[0] + patch.width, origin[1] + patch.height)
    photo.paste(light(patch, box), origin, mask)


def _label(photo: Image.Image, layout: Layout) -> Label:
    left, top, right, bottom = layout.box
    grey = np.asarray(photo.crop(layout.box).convert("L"), np.float32)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    horizontal, vertical = tilt(layout.corners[None].astype(float))[0].tolist()
    return Label(
        area=(right - left) * (bottom - top) / (IMAGE_WIDTH * IMAGE_HEIGHT),
        tilt=(horizontal, vertical),
        box=layout.box,
        corners=tuple(layout.corners.ravel().tolist()),
        plate=layout.plate,
        brightness=round(float(grey.mean())),
        blurriness=round(min(9999.0, float(laplacian.var()) / 10)),
    )
