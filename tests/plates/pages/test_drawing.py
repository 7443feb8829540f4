import io

import numpy as np
import pytest
from PIL import Image

from plates.pages.drawing import BLACK, GREEN, ORANGE, Marks, draw, shade
from plates.pages.pictures import GROUND, from_array, from_file

WHITE = (255, 255, 255)


def test_a_box_is_drawn_where_it_is_and_what_is_not_finite_is_left_out() -> None:
    picture = Image.new("RGB", (100, 100))
    image = draw(picture, [Marks(np.array([[20.0, 40, 60, 80], [np.nan] * 4]))], height=200)

    assert image.size == (200, 200)
    assert image.getpixel((40, 100)) == GREEN
    assert image.getpixel((80, 120)) == BLACK
    assert picture.getcolors() == [(100 * 100, BLACK)]


def test_corners_are_joined_in_their_order() -> None:
    quadrilateral = np.array([[[90, 80], [10, 60], [10, 20], [90, 40]]], float)

    image = draw(Image.new("RGB", (100, 100)), [Marks(quadrilateral, ORANGE)])

    assert {image.getpixel(point) for point in ((50, 70), (10, 40), (50, 30), (90, 60))} == {ORANGE}
    assert image.getpixel((50, 50)) == BLACK


@pytest.mark.parametrize("box", [(60, 60, 140, 140), (0, 0, 40, 40), (180, 180, 200, 200)])
def test_a_label_has_a_ground_that_it_is_read_on_and_stays_inside(box) -> None:
    image = np.asarray(draw(Image.new("RGB", (200, 200), WHITE), [Marks(np.array([box]), ORANGE, ["plate 0.93"])]))

    ground = (image == ORANGE).all(axis=2)
    rows = np.flatnonzero(ground.sum(axis=1) > 40)
    inside = image[rows[0] : rows[0] + 12]
    letters = (inside < 100).all(axis=2)
    assert letters.sum() > 30
    assert (inside[letters.any(axis=1)] != WHITE).any()
    columns = np.flatnonzero(letters.any(axis=0))
    assert columns[0] > 0
    assert columns[-1] < 199


def test_a_label_belongs_to_its_own_box() -> None:
    boxes = np.array([[np.nan] * 4, [20, 60, 80, 90]])

    labelled = draw(Image.new("RGB", (100, 100)), [Marks(boxes, GREEN, ["missing", "1"])])
    alone = draw(Image.new("RGB", (100, 100)), [Marks(boxes[1:], GREEN, ["1"])])

    assert labelled.tobytes() == alone.tobytes()


def test_a_mask_tints_what_it_covers() -> None:
    image = Image.new("RGB", (4, 4), WHITE)
    shade(image, np.eye(4))

    assert image.getpixel((1, 1)) not in (WHITE, ORANGE)
    assert image.getpixel((1, 2)) == WHITE


def test_a_photograph_is_shown_as_it_is_seen() -> None:
    """Stored on its side, with EXIF's orientation 6: what is up is the right edge of the stored picture."""
    stored = Image.new("RGB", (400, 200))
    stored.paste((0, 0, 255), (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif, quality=95)

    picture = from_file(file.getvalue(), [Marks(np.array([[50.0, 100, 150, 300]]))], "turned", height=200)

    assert picture.image.size == (100, 200)
    blue, rest = picture.image.getpixel((10, 20)), picture.image.getpixel((10, 180))
    assert blue[2] > 200
    assert max(rest) < 50
    assert {picture.image.getpixel(point) for point in ((25, 100), (75, 100), (50, 50), (50, 150))} == {GREEN}


def test_what_does_not_decode_is_shown_as_such() -> None:
    picture = from_file(b"<html>", [Marks(np.array([[1.0, 2, 3, 4]]))], "a web page")

    assert picture.caption == "a web page"
    assert picture.image.getpixel((2, 2)) == GROUND


def test_a_picture_carries_itself() -> None:
    picture = from_array(np.zeros((20, 10, 3), np.uint8), caption="black", height=40)

    assert picture.image.size == (20, 40)
    assert picture.source.startswith("data:image/jpeg;base64,")
