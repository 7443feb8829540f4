"""Projects points near the car into the photograph, and draws on surfaces seen at an angle."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

FOCAL = 1150.0  # pixels: a phone's lens over 720x1160
NEAR = 150.0  # millimetres: nothing is drawn closer to the lens


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. The scene's origin is the plate's centre: x right, y down, z into the car, in millimetres."""

    centre: tuple[float, float]  # where the origin falls, pixels
    distance: float  # of the origin from the lens, millimetres
    yaw: float  # degrees; the camera is to the side
    pitch: float  # degrees; positive: the camera looks down
    roll: float  # degrees; the camera is held askew

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Pixels [N, 2] of points [N, 2] (on the plate's plane) or [N, 3]."""
        points = np.asarray(points, float)
        if points.shape[1] == 2:
            points = np.column_stack([points, np.zeros(len(points))])
        x, y, z = (points @ self._rotation.T).T
        depth = np.maximum(z + self.distance, NEAR)
        return np.column_stack([x, y]) * (FOCAL / depth)[:, None] + self.centre

    @cached_property
    def _rotation(self) -> np.ndarray:
        a, b, c = np.radians([self.yaw, self.pitch, self.roll])
        about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        return about_z @ about_x @ about_y


class Canvas:
    """A picture drawn in millimetres through a camera, `scale` times the size of the photograph."""

    def __init__(self, image: Image.Image, camera: Camera, scale: float) -> None:
        self.image, self.camera, self.scale = image, camera, scale
        self.draw = ImageDraw.Draw(image)

    def project(self, points: np.ndarray) -> list[tuple[float, float]]:
        pixels = np.clip(self.camera(points) * self.scale, -4000, 4000)
        return [(x, y) for x, y in pixels.tolist()]

    def polygon(
        self, points: np.ndarray, colour: np.ndarray, outline: np.ndarray | None = None, width: float = 4
    ) -> None:
        pixels = self.project(points)
        self.draw.polygon(pixels, fill=rgb(colour))
        if outline is not None:
            self.line(np.concatenate([points, points[:1]]), outline, width)

    def line(self, points: np.ndarray, colour: np.ndarray, width: float) -> None:
        """A line of `width` millimetres."""
        pixels = max(1, round(width * self.scale * FOCAL / self.camera.distance))
        self.draw.line(self.project(points), fill=rgb(colour), width=pixels, joint="curve")

    def textured(self, points: np.ndarray, texture: Callable[[tuple[int, int]], Image.Image]) -> None:
        """The polygon filled from the picture that `texture` makes for the (width, height) it covers."""
        self.fill(np.array(self.project(points)), texture)

    def fill(self, pixels: np.ndarray, texture: Callable[[tuple[int, int]], Image.Image]) -> None:
        """The same for a polygon in pixels [N, 2] of the canvas."""
        mask, origin = self._mask(pixels, 255)
        if mask is not None:
            self.image.paste(texture(mask.size), origin, mask)

    def veil(self, points: np.ndarray, colour: np.ndarray, opacity: float) -> None:
        """The polygon tinted with `opacity` (0..1)."""
        mask, origin = self._mask(np.array(self.project(points)), round(255 * opacity))
        if mask is not None:
            self.image.paste(rgb(colour), origin, mask)

    def _mask(self, pixels: np.ndarray, value: int) -> tuple[Image.Image | None, tuple[int, int]]:
        """The polygon's mask, no larger than needed, and its left-top pixel; None if it is outside the canvas."""
        left, top = np.clip(np.floor(pixels.min(axis=0)), 0, self.image.size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, self.image.size).astype(int).tolist()
        if right <= left or bottom <= top:
            return None, (0, 0)
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in pixels.tolist()], fill=value)
        return mask, (left, top)

    def stamp(self, stencil: Image.Image, quad: np.ndarray, colour: np.ndarray, opacity: float = 1.0) -> None:
        """A mask laid on the surface whose corners [4, 2 or 3] are left-top, right-top, right-bottom, left-bottom."""
        corners = np.array(self.project(quad))
        patch, origin = warp(stencil, corners)
        if patch is not None:
            self.image.paste(rgb(colour), origin, patch.point([round(v * opacity) for v in range(256)]))


def warp(picture: Image.Image, corners: np.ndarray) -> tuple[Image.Image | None, tuple[int, int]]:
    """`picture` warped so that its corners fall on `corners` (pixels [4, 2]), and where its top-left pixel belongs.

    Outside the quadrilateral the result is black. None if it would be empty or absurdly large.
    """
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    width, height = (high - low).tolist()
    if not (1 <= width <= 2000 and 1 <= height <= 2000):
        return None, (0, 0)
    shrink = max(1, int(min(picture.width / max(width, 1), picture.height / max(height, 1))))
    if shrink > 1:
        picture = picture.reduce(shrink)
    source = np.array([(0, 0), (picture.width, 0), (picture.width, picture.height), (0, picture.height)], float)
    coefficients = homography(corners - low, source).ravel()[:8]
    patch = picture.transform(
        (width, height), Image.Transform.PERSPECTIVE, coefficients.tolist(), Image.Resampling.BILINEAR
    )
    return patch, (int(low[0]), int(low[1]))


def homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 3x3 map, with its last element 1, that takes four points [4, 2] to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)


def rgb(colour: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = np.clip(colour, 0, 255).astype(int).tolist()
    return red, green, blue


def rounded(left: float, top: float, right: float, bottom: float, roundness: float = 0.3, z: float = 0.0) -> np.ndarray:
    """The outline [N, 3] of a rectangle with rounded corners: 0 is a rectangle, 1 an ellipse. Millimetres."""
    angle = np.linspace(0, 2 * np.pi, 33)[:-1] + np.pi / 32
    power = 0.08 + 0.92 * roundness
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    return np.column_stack(
        [(left + right) / 2 + x * (right - left) / 2, (top + bottom) / 2 + y * (bottom - top) / 2, np.full(32, z)]
    )


def quad(left: float, top: float, right: float, bottom: float, z: float = 0.0) -> np.ndarray:
    """The corners [4, 3] of an upright rectangle at depth `z`: left-top, right-top, right-bottom, left-bottom."""
    return np.array([(left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)], float)
