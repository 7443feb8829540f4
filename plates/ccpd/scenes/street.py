"""What is around the car: ground, buildings, trees, signs, other cars."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from plates.ccpd.alphabet import CHARACTERS
from plates.ccpd.scenes.projection import Canvas, quad, rgb
from plates.ccpd.scenes.texture import colour_ramp, noise_field


def draw_street(canvas: Canvas, ground: float, rng: np.random.Generator) -> None:
    """Fills the canvas: the ground is `ground` millimetres below the plate's centre."""
    _backdrop(canvas, rng)
    _ground(canvas, ground, rng)
    for _ in range(int(rng.integers(0, 3))):
        _bystander(canvas, ground, rng)


def _backdrop(canvas: Canvas, rng: np.random.Generator) -> None:
    size = canvas.image.size
    dark, light = rng.uniform(0, 90, 3), rng.uniform(90, 255) + rng.normal(0, 15, 3)
    if rng.random() < 0.5:
        dark, light = dark * (0.4, 1, 0.4), light * (0.6, 1, 0.5)
    kind = str(rng.choice(["foliage", "rough", "cloud"]))
    canvas.image.paste(colour_ramp(noise_field(kind, size, rng), dark, light), (0, 0))
    if rng.random() < 0.5:
        sky = int(rng.uniform(0.05, 0.4) * size[1])
        bright = rng.uniform(190, 255, 3)
        canvas.image.paste(colour_ramp(noise_field("cloud", (size[0], sky), rng), bright * 0.85, bright), (0, 0))
    for _ in range(int(rng.integers(0, 7))):
        _building(canvas, rng)
    for _ in range(int(rng.integers(0, 5))):
        _sign(canvas, rng)


def _building(canvas: Canvas, rng: np.random.Generator) -> None:
    width, height = canvas.image.size
    left, wide = rng.uniform(-0.2, 0.9) * width, rng.uniform(0.05, 0.5) * width
    top, bottom = rng.uniform(0, 0.35) * height, rng.uniform(0.35, 0.5) * height
    wall = rng.uniform(40, 220) + rng.normal(0, 25, 3)
    canvas.draw.rectangle((left, top, left + wide, bottom), fill=rgb(wall))
    step_x, step_y = rng.uniform(10, 40), rng.uniform(10, 40)
    pane = rgb(wall * rng.uniform(0.2, 0.7))
    for x in np.arange(left + step_x * 0.3, left + wide - step_x * 0.6, step_x):
        for y in np.arange(top + step_y * 0.3, bottom - step_y * 0.6, step_y):
            canvas.draw.rectangle((x, y, x + step_x * 0.55, y + step_y * 0.55), fill=pane)


def _sign(canvas: Canvas, rng: np.random.Generator) -> None:
    """A sign with lettering in any colour, including blue: only its place and lettering distinguish it from a plate."""
    width, height = canvas.image.size
    x, y = rng.uniform(-0.1, 0.9) * width, rng.uniform(0, 0.42) * height
    wide = rng.uniform(20, 160)
    tall = wide * rng.uniform(0.15, 1.4)
    board, ink = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    if rng.random() < 0.35:
        board, ink = rng.uniform((0, 30, 120), (60, 130, 230)), np.full(3, 245.0)
    canvas.draw.rectangle((x, y, x + wide, y + tall), fill=rgb(board))
    if rng.random() < 0.7:
        font = ImageFont.load_default(float(max(6, round(min(tall * 0.6, wide / 3)))))
        canvas.draw.text((x + wide * 0.1, y + tall * 0.1), words(rng, 2, 5), fill=rgb(ink), font=font)


def _ground(canvas: Canvas, ground: float, rng: np.random.Generator) -> None:
    shade = rng.uniform(45, 190)
    tone = shade + rng.normal(0, 6, 3)
    kind = str(rng.choice(["grain", "rough", "smooth"], p=[0.65, 0.15, 0.2]))
    depth = rng.uniform(0.06, 0.3)
    surface = _to_horizon(canvas, ground)
    canvas.fill(surface, lambda size: colour_ramp(noise_field(kind, size, rng), tone * (1 - depth), tone * (1 + depth)))
    if rng.random() < 0.45:
        _tiles(canvas, ground, tone, rng)
    for _ in range(int(rng.integers(0, 3))):
        _stripe(canvas, ground, rng)
    if rng.random() < 0.3:
        _floor_number(canvas, ground, rng)
    for _ in range(int(rng.integers(0, 8))):
        x, z, r = rng.uniform(-1500, 1500), rng.uniform(-900, 300), rng.uniform(10, 60)
        blot = rng.uniform(0.3, 0.8) * tone if rng.random() < 0.6 else rng.uniform((140, 120, 20), (220, 200, 80))
        canvas.polygon(_patch(x, z, r, r * rng.uniform(0.5, 1.5), ground), blot)


def _to_horizon(canvas: Canvas, ground: float) -> np.ndarray:
    """The ground from far behind the car to below the canvas, as pixels [4, 2] of the canvas."""
    edge = np.array(canvas.project(np.array([(-3000, ground, 3500), (3000, ground, 3500)])))
    along = (edge[1] - edge[0]) / max(1.0, float(np.hypot(*(edge[1] - edge[0]))))
    down, middle = np.array([-along[1], along[0]]), edge.mean(axis=0)
    middle[1] = min(middle[1], canvas.image.height * 0.9)
    return middle + 3000 * np.array([-along, along, along + down, down - along])


def _patch(x: float, z: float, wide: float, deep: float, ground: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 9)[:-1]
    return np.column_stack([x + wide * np.cos(angle), np.full(8, ground), z + deep * np.sin(angle)])


def _tiles(canvas: Canvas, ground: float, tone: np.ndarray, rng: np.random.Generator) -> None:
    pitch, turn = rng.uniform(90, 320), rng.uniform(0, np.pi)
    colour = tone * (rng.uniform(0.5, 0.85) if rng.random() < 0.7 else rng.uniform(1.1, 1.4))
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    for direction, normal, step in ((along, across, pitch), (across, along, pitch * rng.uniform(1, 2.2))):
        for offset in np.arange(-1800, 1800, step):
            ends = [normal * offset + direction * reach for reach in (-2200, 2200)]
            points = [(x, ground, z - 300) for x, z in ends if z - 300 > -1000]
            if len(points) == 2:
                canvas.line(np.array(points), colour, rng.uniform(4, 12))


def _stripe(canvas: Canvas, ground: float, rng: np.random.Generator) -> None:
    turn, offset, half = rng.uniform(-0.7, 0.7), rng.uniform(-1000, 1000), rng.uniform(40, 120)
    paint = np.array([225, 225, 215.0]) if rng.random() < 0.7 else np.array([220, 180, 60.0])
    paint = paint * rng.uniform(0.65, 1.0)
    if rng.random() < 0.5:
        z, rise = rng.uniform(-800, -100), 4000 * turn
        corners = [(-4e3, z - half + rise), (4e3, z - half - rise), (4e3, z + half - rise), (-4e3, z + half + rise)]
    else:
        far = offset + 3000 * turn
        corners = [(offset - half, -900.0), (offset + half, -900.0), (far + half, 2100.0), (far - half, 2100.0)]
    points = [(x, ground, z) for x, z in corners]
    canvas.veil(np.array(points), paint, rng.uniform(0.6, 0.95))


def _floor_number(canvas: Canvas, ground: float, rng: np.random.Generator) -> None:
    x, z = rng.uniform(-700, 500), rng.uniform(-700, -150)
    wide, deep = rng.uniform(200, 500), rng.uniform(60, 180)
    surface = np.array([(x, ground, z + deep), (x + wide, ground, z + deep), (x + wide, ground, z), (x, ground, z)])
    board = rng.uniform(20, 235) + rng.normal(0, 20, 3)
    if rng.random() < 0.6:
        canvas.polygon(surface, board)
    ink = rng.uniform((180, 120, 0), (255, 220, 160)) if board.mean() < 130 else rng.uniform(0, 80, 3)
    canvas.stamp(stencil("".join(rng.choice(list("0123456789"), 6))), surface, ink, 0.9)


def _bystander(canvas: Canvas, ground: float, rng: np.random.Generator) -> None:
    """A neighbouring car's flank, a pole or somebody's coat: a large plain shape at the side."""
    side = rng.choice([-1, 1])
    near = side * rng.uniform(1000, 1800)
    colour = rng.uniform(10, 240) * rng.uniform(0.5, 1.3, 3)
    if rng.random() < 0.25:
        colour = rng.uniform((0, 20, 100), (50, 110, 230))
    wide, z = rng.uniform(60, 2500), rng.uniform(-100, 2500)
    points = quad(near, -rng.uniform(200, 1500), near + side * wide, ground, z)
    if rng.random() < 0.5:
        canvas.polygon(points, colour)
    else:
        canvas.textured(points, lambda size: colour_ramp(noise_field("cloud", size, rng), colour * 0.4, colour * 1.3))


def words(rng: np.random.Generator, shortest: int, longest: int) -> str:
    """Letters and digits without meaning."""
    return "".join(rng.choice(list(CHARACTERS), int(rng.integers(shortest, longest + 1))))


def stencil(text: str, height: int = 48) -> Image.Image:
    """`text` as a mask, cut to its letters."""
    font = ImageFont.load_default(float(height))
    left, top, right, bottom = font.getbbox(text)
    mask = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    return mask
