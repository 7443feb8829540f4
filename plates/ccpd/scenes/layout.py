"""The layout of a scene: its subset, plate and camera, from the seed and the scene's number alone."""

from dataclasses import dataclass

import numpy as np

from plates.ccpd.alphabet import CHARACTERS, LETTERS, NO_CHARACTER, PROVINCES
from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH
from plates.ccpd.scenes.plate import SIZES
from plates.ccpd.scenes.projection import FOCAL, Camera

TOP_PROVINCE = PROVINCES[0]
CIVIL_PROVINCES = PROVINCES[1:31]
SAME_CAR = 0.12  # share of scenes that show the car of an earlier scene
RECENT = 100  # how many scenes back that car can be
LOOSE = (0.06, 0.03)  # how much wider and higher than the plate an annotator may draw the box
MARGINS = (-4, 4, -2, -5)
"""From the corners' hull to the box, in pixels: towards the median of 416 real labels of ccpd_base (-7, 5, -2, -6),
within the 5 px that the 2019 release keeps."""
EDGE = 6  # pixels that a plate keeps from the edge of the photograph

# Share of each subset in a sample: all that a delivery has, and mostly those that a detector is trained on.
SUBSET_SHARES = {
    "base": 0.54,
    "blur": 0.05,
    "db": 0.05,
    "fn": 0.05,
    "rotate": 0.05,
    "tilt": 0.05,
    "challenge": 0.05,
    "green": 0.13,
    "np": 0.03,
}


@dataclass(frozen=True)
class View:
    """How a subset sees its plates: median width in pixels and its log-spread, spreads of yaw and roll in degrees."""

    width: float
    spread: float
    yaw: float
    roll: float


VIEWS = {
    "base": View(370, 0.34, 9, 4),
    "blur": View(260, 0.38, 13, 7),
    "db": View(290, 0.38, 16, 9),
    "fn": View(280, 0.55, 17, 10),
    "rotate": View(290, 0.3, 12, 21),
    "tilt": View(290, 0.35, 25, 16),
    "challenge": View(290, 0.4, 15, 9),
    "green": View(280, 0.35, 10, 4),
    "np": View(330, 0.4, 13, 5),
}


@dataclass(frozen=True)
class Layout:
    """One scene before it is painted. `corners`, the label's, are pixels [4, 2] in CCPD's order; or none."""

    index: int
    subset: str
    plate: str
    plate_type: str
    camera: Camera
    corners: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The label's box, xmin, ymin, xmax, ymax in pixels: as CCPD's, not exactly the corners' hull."""
        hull = np.concatenate([self.corners.min(axis=0), self.corners.max(axis=0)])
        left, top, right, bottom = (hull + MARGINS).tolist()
        return left, top, right, bottom


def lay_out(seed: int, index: int, imbalance: float) -> Layout:
    """The layout of scene `index` of the sample `seed`; `imbalance` is the share of the most frequent province."""
    rng = np.random.default_rng([seed, index, 0])
    subset = str(rng.choice(list(SUBSET_SHARES), p=list(SUBSET_SHARES.values())))
    if subset == "np":
        return Layout(index, subset, "", "blue", _camera(VIEWS[subset], "blue", rng), np.empty((0, 2), int))
    plate_type = "green" if subset == "green" else "blue"
    again = bool(index) and rng.random() < SAME_CAR
    owner = index - 1 - int(rng.integers(min(index, RECENT))) if again else index
    plate = _plate(np.random.default_rng([seed, owner, 1]), plate_type, imbalance)
    while True:
        camera = _camera(VIEWS[subset], plate_type, rng)
        hand = 1 + rng.uniform((0, -0.01), LOOSE)
        corners = camera(edges(plate_type) * hand).round().astype(int)
        if (corners >= EDGE).all() and (corners <= (IMAGE_WIDTH - EDGE, IMAGE_HEIGHT - EDGE)).all():
            return Layout(index, subset, plate, plate_type, camera, corners)


def edges(plate_type: str) -> np.ndarray:
    """The corners [4, 2] of a plate in millimetres from its centre, in CCPD's order."""
    half_width, half_height = SIZES[plate_type][0] / 2, SIZES[plate_type][1] / 2
    return np.array(
        [(half_width, half_height), (-half_width, half_height), (-half_width, -half_height), (half_width, -half_height)]
    )


def _plate(rng: np.random.Generator, plate_type: str, imbalance: float) -> str:
    province = TOP_PROVINCE if rng.random() < imbalance else str(rng.choice(list(CIVIL_PROVINCES)))
    city = "A" if rng.random() < 0.5 else str(rng.choice(list(LETTERS.replace(NO_CHARACTER, ""))))
    digits, letters = CHARACTERS[24:34], CHARACTERS[:24]
    if plate_type == "green":
        return province + city + str(rng.choice(list("DF"))) + "".join(rng.choice(list(digits), 5))
    tail = [str(rng.choice(list(letters if rng.random() < 0.25 else digits))) for _ in range(5)]
    return province + city + "".join(tail)


def _camera(view: View, plate_type: str, rng: np.random.Generator) -> Camera:
    width = float(np.clip(view.width * np.exp(rng.normal(0, view.spread)), 95, 640))
    return Camera(
        centre=(float(rng.normal(360, 45)), float(rng.normal(525, 55))),
        distance=FOCAL * SIZES[plate_type][0] / width,
        yaw=float(np.clip(rng.normal(0, view.yaw), -48, 48)),
        pitch=float(np.clip(rng.normal(9, 7), -8, 32)),
        roll=float(np.clip(rng.normal(0, view.roll), -40, 40)),
    )
