"""The car around the plate, from the front or from behind, in millimetres from the plate's centre."""

from collections.abc import Sequence

import numpy as np

from plates.ccpd.scenes.projection import Canvas, quad, rounded
from plates.ccpd.scenes.street import stencil, words
from plates.ccpd.scenes.texture import colour_ramp, noise_field

BLACK = np.array([14.0, 15.0, 17.0])
CHROME = np.array([205.0, 210.0, 214.0])

# Body colours and how often they are seen.
PAINTS = (
    ((232, 232, 230), 0.34),
    ((18, 19, 22), 0.17),
    ((168, 170, 174), 0.14),
    ((92, 95, 100), 0.1),
    ((140, 118, 92), 0.07),
    ((150, 20, 28), 0.07),
    ((28, 50, 120), 0.06),
    ((70, 40, 26), 0.03),
    ((200, 160, 30), 0.02),
)


def draw_car(canvas: Canvas, ground: float, rng: np.random.Generator) -> None:
    """A car whose plate's centre is the origin and `ground` millimetres above the road."""
    shares = np.array([share for _, share in PAINTS])
    paint = np.array(PAINTS[rng.choice(len(PAINTS), p=shares / shares.sum())][0], float)
    paint = np.clip(paint * rng.uniform(0.8, 1.15) + rng.normal(0, 7, 3), 3, 250)
    half = rng.uniform(820, 940)
    _shadow(canvas, ground, half, rng)
    (_front if rng.random() < 0.55 else _rear)(canvas, ground, half, paint, rng)
    _mount(canvas, paint, rng)
    for _ in range(int(rng.integers(0, 3))):
        _sticker(canvas, half, rng)


def _shadow(canvas: Canvas, ground: float, half: float, rng: np.random.Generator) -> None:
    lean, front = rng.uniform(-400, 400), rng.uniform(-350, 150)
    shape = np.array(
        [
            (-half + lean, ground, front),
            (half + lean, ground, front),
            (half + 80, ground, 2500),
            (-half - 80, ground, 2500),
        ]
    )
    canvas.veil(shape, np.zeros(3), rng.uniform(0.4, 0.95))


def _panel(canvas: Canvas, points: np.ndarray, paint: np.ndarray, rng: np.random.Generator, gloss: float = 1.0) -> None:
    """A painted surface with the light and the reflections on it."""
    kind = str(rng.choice(["smooth", "smooth", "cloud", "foliage"], p=[0.45, 0.2, 0.25, 0.1]))
    contrast = rng.uniform(0.08, 0.35) * gloss
    dark, light = paint * (1 - contrast), paint * (1 + contrast) + 120 * contrast
    canvas.textured(points, lambda size: colour_ramp(noise_field(kind, size, rng), dark, light))


def _mirrored(right: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """A closed outline from its right half, top to bottom."""
    return np.array([*right, *((-x, y, z) for x, y, z in reversed(right))], float)


def _glass(canvas: Canvas, points: np.ndarray, rng: np.random.Generator) -> None:
    dark, light = rng.uniform(5, 50, 3), rng.uniform(60, 230) + rng.normal(0, 10, 3)
    canvas.textured(points, lambda size: colour_ramp(noise_field("foliage", size, rng), dark, light))


def _body(
    canvas: Canvas, ground: float, half: float, paint: np.ndarray, shoulder: float, rng: np.random.Generator
) -> float:
    """Cabin, wheels and the end panel; returns the height of the bumper's lower edge."""
    roof, glass_foot, back = shoulder - rng.uniform(520, 820), shoulder - rng.uniform(60, 260), rng.uniform(900, 1700)
    _panel(
        canvas,
        _mirrored([(half * 0.72, roof, back + 700), (half * 0.96, glass_foot, back), (half, shoulder, back)]),
        paint,
        rng,
    )
    _glass(canvas, _mirrored([(half * 0.66, roof + 60, back + 600), (half * 0.88, glass_foot, back)]), rng)
    bottom = rng.uniform(0.3, 0.75) * ground
    for side in (-1, 1):
        x = side * half * 0.82
        canvas.polygon(rounded(x - 120, bottom - 120, x + 120, ground, 0.5, 300), BLACK * rng.uniform(0.6, 2))
    hood = _mirrored([(half * 0.9, glass_foot, back), (half * 0.99, shoulder, 120)])
    _panel(canvas, hood, paint * rng.uniform(0.95, 1.15), rng, gloss=1.6)
    tuck = rng.uniform(60, 180)
    end = [(half * 0.97, shoulder, 80), (half, shoulder + 140, 60), (half, bottom - 60, 40), (half - tuck, bottom, 60)]
    _panel(canvas, _mirrored(end), paint, rng)
    if rng.random() < 0.6:
        seam = shoulder + rng.uniform(0, 40)
        canvas.line(
            np.array([(-half * 0.95, seam + 20, 60), (0, seam, 20), (half * 0.95, seam + 20, 60)]), paint * 0.3, 7
        )
    return bottom


def _front(canvas: Canvas, ground: float, half: float, paint: np.ndarray, rng: np.random.Generator) -> None:
    shoulder = -rng.uniform(280, 520)
    bottom = _body(canvas, ground, half, paint, shoulder, rng)
    lamp_top, lamp_foot = shoulder + rng.uniform(10, 80), shoulder + rng.uniform(130, 260)
    inner = rng.uniform(0.45, 0.68) * half
    for side in (-1, 1):
        outline = rounded(inner, lamp_top, half * 0.98, lamp_foot, rng.uniform(0.2, 0.9), 60) * (side, 1, 1)
        canvas.polygon(outline, rng.uniform(120, 230, 3), CHROME * 0.4, 8)
        for share in (0.3, 0.65):
            x, y, r = side * (inner + share * (half - inner)), (lamp_top + lamp_foot) / 2, rng.uniform(30, 55)
            canvas.polygon(
                rounded(x - r, y - r, x + r, y + r, 1, 50), rng.uniform(20, 255, 3).mean() * np.ones(3), CHROME, 6
            )
    _grille(canvas, shoulder + rng.uniform(10, 70), min(-75.0, shoulder + rng.uniform(180, 420)), inner * 0.95, rng)
    if rng.random() < 0.8:
        top = rng.uniform(85, max(90, bottom - 40))
        _intake(canvas, rng.uniform(0.4, 0.9) * half, top, max(top + 30, bottom - rng.uniform(0, 50)), rng)
    if rng.random() < 0.35:  # the plate sits in front of the lower grille
        _intake(canvas, rng.uniform(300, 700), -rng.uniform(75, 160), rng.uniform(75, 190), rng)
    for side in (-1, 1):
        if rng.random() < 0.6:
            x, y, r = side * half * 0.8, rng.uniform(20, max(25, bottom - 50)), rng.uniform(35, 65)
            canvas.polygon(rounded(x - r * 1.5, y - r, x + r * 1.5, y + r, 0.8), BLACK * 2, CHROME * 0.8, 6)


def _grille(canvas: Canvas, top: float, bottom: float, half: float, rng: np.random.Generator) -> None:
    half = half * rng.uniform(0.6, 1.0)
    power = rng.uniform(0.1, 0.7)
    canvas.polygon(
        rounded(-half, top, half, bottom, power, 10),
        BLACK * rng.uniform(0.6, 2.5),
        CHROME * rng.uniform(0.2, 1.1),
        rng.uniform(6, 28),
    )
    bars = CHROME * rng.uniform(0.25, 1.1)
    kind = rng.integers(4)
    inset = half * (0.96 - 0.25 * power)
    low, high = top + (bottom - top) * 0.08, bottom - (bottom - top) * 0.08
    if kind == 0 or kind == 3:
        for y in np.linspace(low, high, int(rng.integers(3, 9)))[1:-1]:
            canvas.line(np.array([(-inset, y), (inset, y)]), bars, rng.uniform(5, 22))
    if kind == 1:
        for x in np.linspace(-inset, inset, int(rng.integers(10, 26))):
            canvas.line(np.array([(x, low), (x, high)]), bars, rng.uniform(5, 16))
    if kind >= 2:
        step = rng.uniform(30, 70)
        for x in np.arange(-inset, inset - (high - low) * 0.5, step):
            canvas.line(np.array([(x, low), (x + (high - low) * 0.5, high)]), bars * 0.5, 6)
            canvas.line(np.array([(x, high), (x + (high - low) * 0.5, low)]), bars * 0.5, 6)
    _badge(canvas, 0, (top + bottom) / 2 + rng.uniform(-0.6, 0.2) * (bottom - top), rng)


def _intake(canvas: Canvas, half: float, top: float, bottom: float, rng: np.random.Generator) -> None:
    canvas.polygon(
        rounded(-half, top, half, bottom, rng.uniform(0.1, 0.5), 10),
        BLACK * rng.uniform(0.5, 2.2),
        CHROME * rng.uniform(0.1, 0.8),
        8,
    )
    for y in np.linspace(top, bottom, int(rng.integers(2, 6)))[1:-1]:
        canvas.line(np.array([(-half * 0.9, y), (half * 0.9, y)]), CHROME * rng.uniform(0.15, 0.9), rng.uniform(4, 14))


def _badge(canvas: Canvas, x: float, y: float, rng: np.random.Generator) -> None:
    """A maker's mark: a ring, shield or bar with something in it; some are blue and white."""
    wide, tall = rng.uniform(35, 75), rng.uniform(30, 60)
    fill = BLACK * 2 if rng.random() < 0.6 else CHROME * rng.uniform(0.5, 1)
    if rng.random() < 0.25:
        fill = rng.uniform((0, 40, 120), (60, 110, 220))
    canvas.polygon(
        rounded(x - wide, y - tall, x + wide, y + tall, rng.uniform(0.2, 1)), fill, CHROME, rng.uniform(6, 16)
    )
    if rng.random() < 0.5:
        mark = quad(x - wide * 0.6, y - tall * 0.5, x + wide * 0.6, y + tall * 0.5)
        canvas.stamp(stencil(words(rng, 1, 3)), mark, CHROME)
    else:
        points = np.column_stack([x + wide * rng.uniform(-0.9, 0.9, 4), y + tall * rng.uniform(-0.9, 0.9, 4)])
        canvas.line(points, CHROME, rng.uniform(6, 14))


def _rear(canvas: Canvas, ground: float, half: float, paint: np.ndarray, rng: np.random.Generator) -> None:
    shoulder = -rng.uniform(250, 480)
    bottom = _body(canvas, ground, half, paint, shoulder, rng)
    if rng.random() < 0.5:  # a hatchback: the window reaches down to the plate's panel
        foot = shoulder + rng.uniform(-60, 60)
        _glass(canvas, _mirrored([(half * 0.7, foot - rng.uniform(300, 600), 200), (half * 0.85, foot, 60)]), rng)
        if rng.random() < 0.7:
            canvas.line(np.array([(0, foot, 40), (rng.uniform(-500, 500), foot - rng.uniform(40, 200), 60)]), BLACK, 22)
    lamp_top, lamp_foot = shoulder + rng.uniform(0, 100), shoulder + rng.uniform(140, 330)
    inner = rng.uniform(0.5, 0.75) * half
    for side in (-1, 1):
        red = rng.uniform((90, 0, 0), (220, 40, 45))
        canvas.polygon(
            rounded(inner, lamp_top, half * 0.99, lamp_foot, rng.uniform(0.1, 0.6), 50) * (side, 1, 1),
            red,
            BLACK * 3,
            6,
        )
        middle = (lamp_top + lamp_foot) / 2
        canvas.polygon(rounded(inner * 1.1, middle - 15, half * 0.95, middle + 15, 0.3, 40) * (side, 1, 1), CHROME)
    if rng.random() < 0.7:  # the strip above the plate
        y, tall, wide = -rng.uniform(90, 160), rng.uniform(15, 50), rng.uniform(260, 600)
        canvas.polygon(
            rounded(-wide, y - tall, wide, y, 0.2), CHROME if rng.random() < 0.5 else paint * 0.8, BLACK * 3, 4
        )
    _badge(canvas, rng.normal(0, 20), -rng.uniform(190, 330), rng)
    for side in (-1, 1):
        if rng.random() < 0.6:
            x, y, tall = side * rng.uniform(350, 600), -rng.uniform(60, 250), rng.uniform(30, 60)
            canvas.stamp(
                stencil(words(rng, 2, 6)),
                quad(x - 130, y - tall, x + 130, y),
                CHROME if paint.mean() < 150 else BLACK * 3,
                0.9,
            )
    if rng.random() < 0.7:  # the bumper
        top = rng.uniform(85, max(95, bottom - 90))
        canvas.line(
            np.array([(-half, top + 20, 40), (0, top, 0), (half, top + 20, 40)]), paint * rng.uniform(0.2, 0.6), 10
        )
        if rng.random() < 0.5:
            _intake(canvas, half * rng.uniform(0.4, 0.9), max(top, bottom - 120), bottom, rng)
    for side in (-1, 1):
        if rng.random() < 0.4:
            x, y = side * rng.uniform(300, 700), rng.uniform(100, 260)
            canvas.polygon(rounded(x - 22, y - 22, x + 22, y + 22, 1), paint * 0.9, paint * 0.4, 4)


def _mount(canvas: Canvas, paint: np.ndarray, rng: np.random.Generator) -> None:
    """What the plate is screwed to: a recess, a bracket, or a holder that reads like an empty plate."""
    if rng.random() < 0.55:
        wide, top, foot = rng.uniform(235, 420), rng.uniform(75, 140), rng.uniform(75, 140)
        fill = paint * rng.uniform(0.35, 0.95) if rng.random() < 0.5 else BLACK * rng.uniform(0.5, 2.5)
        canvas.polygon(rounded(-wide, -top, wide, foot, rng.uniform(0, 0.3)), fill, fill * 0.6, 5)


def _sticker(canvas: Canvas, half: float, rng: np.random.Generator) -> None:
    side = rng.choice([-1, 1])
    x, y = side * rng.uniform(330, half * 0.9), rng.uniform(-350, 200)
    wide, tall = rng.uniform(40, 160), rng.uniform(20, 90)
    left, right = (x, x + wide) if side > 0 else (x - wide, x)
    board = rng.uniform(0, 255, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(180, 250))
    canvas.polygon(quad(left, y, right, y + tall), board)
    if rng.random() < 0.7:
        canvas.stamp(stencil(words(rng, 2, 6)), quad(left + 6, y + 6, right - 6, y + tall - 6), 255 - board)
