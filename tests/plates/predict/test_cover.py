"""What is covered of a picture: all of a plate's outline, and nothing far from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates.predict.cover import cover
from plates.predict.result import grown, to_hide

SIZE = (90, 60)  # width, height
place, side, shift = st.floats(-10, 80, width=32), st.floats(4, 50, width=32), st.floats(-0.1875, 0.1875, width=32)


def box_corners(xyxy: np.ndarray) -> np.ndarray:
    """Bottom right, bottom left, top left, top right [n, 4, 2] of boxes [n, 4]."""
    return xyxy[:, [2, 3, 0, 3, 0, 1, 2, 1]].reshape(-1, 4, 2)


def covered(xyxy: np.ndarray, corners: np.ndarray | None, margin: float) -> np.ndarray:
    """bool [h, w]: the pixels of a white picture that are filled."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    boxes, outlines = to_hide(xyxy, corners, margin, SIZE)
    cover(pixels, boxes, "fill", outlines=outlines)
    return pixels[..., 0] < 255


@given(place, place, side, side, st.lists(shift, min_size=8, max_size=8), st.sampled_from([0.0, 0.1, 0.3]))
def test_every_pixel_of_the_outline_is_covered_and_none_beyond_the_margin(
    left, top, width, height, shifts, margin
) -> None:
    box = np.array([[left, top, left + width, top + height]], np.float32)
    corners = box_corners(box) + np.array(shifts, np.float32).reshape(1, 4, 2) * (width, height)
    found = covered(box, corners, margin)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    edges = np.roll(corners[0], -1, axis=0) - corners[0]
    sides = [
        along * (y - start[1]) - down * (x - start[0]) for start, (along, down) in zip(corners[0], edges, strict=True)
    ]
    assert found[np.all(np.array(sides) > 1e-3, axis=0)].all()
    allowed = np.zeros_like(found)
    reach = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    xmin, ymin, xmax, ymax = grown(reach, margin + 0.1, SIZE)[0]
    allowed[max(0, ymin - 1) : ymax + 1, max(0, xmin - 1) : xmax + 1] = True
    assert not (found & ~allowed).any()


def test_a_tilted_plate_leaves_the_corners_of_its_box_as_they_are() -> None:
    box = np.array([[10, 10, 70, 50]], np.float32)
    corners = np.array([[[70, 50], [10, 35], [10, 10], [70, 25]]], np.float32)
    found = covered(box, corners, 0.0)
    assert found[30, 40]
    assert not found[12, 65]
    assert not found[48, 15]
    assert covered(box, None, 0.0)[12, 65]


@pytest.mark.parametrize("wrong", [[[72, 52]] * 4, [[40, 30], [38, 30], [38, 29], [40, 29]], [[5, 5]] * 4])
def test_corners_away_from_their_box_leave_the_box_covered(wrong: list[list[float]]) -> None:
    box = np.array([[10, 10, 70, 50]], np.float32)
    assert covered(box, np.array([wrong], np.float32), 0.0)[10:50, 10:70].all()
