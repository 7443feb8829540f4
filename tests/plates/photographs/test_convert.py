"""Photographs of other kinds become upright JPEGs: encoded once, kept by content, boxes turned with them."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from plates.columns import BOX, CORNERS
from plates.photographs.content import ChangedSinceScanError, Photographs
from plates.photographs.convert import CONVERTED_SCHEMA, TAKEN_SCHEMA, as_they_are, convert_images, upright_jpeg
from plates.photographs.decode import decode_images
from plates.photographs.scan import scan
from plates.photographs.turn import drawn_upright, turn_labels, turned

WIDTH, HEIGHT = 60, 40
PLATE = (8, 4, 28, 14)  # left of the middle and above it


def scene(mode: str = "RGB") -> Image.Image:
    """A grey picture with a white plate."""
    pixels = np.full((HEIGHT, WIDTH), 60, np.uint8)
    pixels[PLATE[1] : PLATE[3], PLATE[0] : PLATE[2]] = 250
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, form: str, orientation: int = 1, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    image.save(stream, form, **({"exif": exif.tobytes()} if orientation > 1 else {}), **options)
    return stream.getvalue()


def where_bright(jpeg: bytes) -> list[int]:
    """The box of the bright pixels."""
    rows, columns = np.nonzero(np.asarray(Image.open(io.BytesIO(jpeg)).convert("L")) > 150)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


KINDS = {
    "PNG": saved(scene(), "PNG"),
    "grey PNG": saved(scene("L"), "PNG"),
    "PNG with a palette": saved(scene().quantize(4), "PNG"),
    "PNG with alpha": saved(scene("RGBA"), "PNG"),
    "black and white PNG": saved(scene().point(lambda value: 255 * (value > 150)).convert("1"), "PNG"),
    "PNG of 16 bits": saved(Image.fromarray(np.asarray(scene("L")).astype(np.uint16) * 257), "PNG"),
    "WebP": saved(scene(), "WEBP", lossless=True),
    "BMP": saved(scene(), "BMP"),
    "TIFF": saved(scene(), "TIFF"),
    "GIF": saved(scene().quantize(4), "GIF"),
    "CMYK TIFF": saved(scene("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_a_jpeg_of_the_same_picture(kind: str) -> None:
    jpeg, size, _, orientation = upright_jpeg(KINDS[kind], 95)

    assert (size, orientation) == ((WIDTH, HEIGHT), 1)
    assert jpeg.startswith(b"\xff\xd8\xff")
    assert where_bright(jpeg) == list(PLATE)
    picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L")).astype(int)
    levels = (0, 255) if kind.startswith("black") else (60, 250)
    assert abs(picture[0, -1] - levels[0]) < 4
    assert abs(picture[9, 18] - levels[1]) < 4


def test_what_shows_through_is_white() -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))

    assert np.asarray(Image.open(io.BytesIO(upright_jpeg(saved(clear, "PNG"), 95)[0]))).min() > 250


def frames() -> bytes:
    stream = io.BytesIO()
    scene().save(stream, "GIF", save_all=True, append_images=[scene().rotate(180)])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (KINDS["PNG"][: len(KINDS["PNG"]) // 2], "."),
        (KINDS["WebP"][: len(KINDS["WebP"]) // 2], "."),
        (saved(scene(), "JPEG", 6)[:400] + b"\xff\xd9", "."),
        (frames(), "an animation or a stack of 2 pictures"),
        (saved(Image.fromarray(np.ones((8, 8), np.float32)), "TIFF"), "its pixels are 32-bit numbers"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "."),
        (saved(Image.new("L", (70_000, 1)), "PNG"), "OSError"),
        (b"", "."),
    ],
)
def test_what_does_not_decode_in_full_is_not_converted(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        upright_jpeg(content, 95)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_is_as_pillow_turns_it_and_its_box_with_it(form: str, orientation: int) -> None:
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    content = saved(scene(), form, orientation, **options)

    jpeg, size, _, found = upright_jpeg(content, 95)

    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert (size, found) == (expected.size, orientation)
    points = turned(np.array(PLATE, float).reshape(2, 2), np.array(size, float), orientation)
    box = [*points.min(axis=0), *points.max(axis=0)]
    np.testing.assert_allclose(where_bright(jpeg), box, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_and_corners_of_a_table_turn_and_corners_keep_their_names(orientation: int) -> None:
    width, height = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    stored = pd.DataFrame([[*PLATE, 28, 14, 8, 14, 8, 4, 28, 4]], columns=[*BOX, *CORNERS], dtype=np.float32)
    labels = stored.assign(width=width, height=height)

    xmin, ymin, xmax, ymax, *corners = turn_labels(labels, np.array([orientation]))[[*BOX, *CORNERS]].to_numpy()[0]

    assert (xmax - xmin, ymax - ymin) == ((10, 20) if orientation >= 5 else (20, 10))
    if orientation < 5:  # upright, or on its head: a plate that is wider than high
        assert corners == [xmax, ymax, xmin, ymax, xmin, ymin, xmax, ymin]


def test_the_size_that_is_said_tells_which_picture_the_boxes_are_of() -> None:
    size = np.array([[40, 60], [40, 60], [60, 40], [50, 50]], float)
    orientation = np.array([6, 6, 3, 6])
    stored, seen, none = np.array([60, 40.0]), np.array([40, 60.0]), np.array([np.nan, np.nan])

    assert drawn_upright(np.stack([seen, seen, none, none]), size, orientation).tolist() == [True] * 4
    assert drawn_upright(np.stack([stored, seen, none, none]), size, orientation).tolist() == [
        False,
        True,
        False,
        False,
    ]
    assert drawn_upright(np.stack([none] * 4), size, orientation).tolist() == [False] * 4


@pytest.fixture
def delivery(tmp_path: Path) -> Photographs:
    root = tmp_path / "root"
    root.mkdir()
    (root / "plain.jpg").write_bytes(saved(scene(), "JPEG"))
    (root / "turned.jpg").write_bytes(saved(scene(), "JPEG", 6))
    (root / "a.png").write_bytes(KINDS["PNG"])
    (root / "again.png").write_bytes(KINDS["PNG"])
    (root / "cut.webp").write_bytes(KINDS["WebP"][: len(KINDS["WebP"]) // 2])
    (root / "page.jpg").write_bytes(b"<html>404</html>")
    return Photographs(root, tmp_path / "converted")


def taken(photographs: Photographs, **options):
    folder = photographs.root.parent
    found = scan(photographs.root, folder / "scan.parquet").table
    return convert_images(found, photographs, folder / "converted.parquet", **{"quality": 95, **options})


def test_what_is_taken_in_is_kept_by_content_and_reads_like_any_photograph(delivery: Photographs) -> None:
    before = {file.name: file.read_bytes() for file in delivery.root.iterdir()}

    images = taken(delivery)

    assert images.schema.equals(CONVERTED_SCHEMA)
    rows = {row["path"]: row for row in images.to_pylist()}
    assert rows["plain.jpg"]["source"] is None
    assert rows["a.png"] | {"path": "", "name": ""} == rows["again.png"] | {"path": "", "name": ""}
    assert rows["a.png"]["source"] == "PNG RGB"
    assert rows["a.png"]["source_sha256"] == hashlib.sha256(KINDS["PNG"]).hexdigest()
    assert (rows["turned.jpg"]["width"], rows["turned.jpg"]["height"]) == (HEIGHT, WIDTH)
    assert rows["turned.jpg"]["orientation"] == 6
    assert rows["page.jpg"]["problem"] == "not a JPEG: a web page"
    assert rows["cut.webp"]["problem"].startswith("damaged: ")
    for row in rows.values():
        if row["problem"] is None:
            content = delivery.read(row["path"], row["sha256"])
            assert Image.open(io.BytesIO(content)).size == (row["width"], row["height"])
    assert {file.name: file.read_bytes() for file in delivery.root.iterdir()} == before
    decoded = decode_images(images, delivery, delivery.root.parent / "decoded.parquet")
    assert decoded.schema.equals(TAKEN_SCHEMA)
    assert decoded.filter(decoded["dhash"].is_null())["path"].to_pylist() == ["cut.webp", "page.jpg"]


def test_each_content_is_encoded_once(delivery: Photographs) -> None:
    done: list[tuple[int, int]] = []
    first = taken(delivery, progress=lambda *step: done.append(step))
    assert done[-1] == (3, 3)

    assert taken(delivery, progress=pytest.fail).equals(first)

    (delivery.root / "moved.png").write_bytes(KINDS["PNG"])
    assert len(taken(delivery, progress=pytest.fail)) == len(first) + 1


def test_what_was_kept_and_is_gone_is_made_again_with_the_same_bytes(delivery: Photographs) -> None:
    first = taken(delivery)
    for file in (delivery.root.parent / "converted").rglob("*.jpg"):
        file.unlink()

    assert taken(delivery).equals(first)
    assert all(delivery.read(row["path"], row["sha256"]) for row in first.to_pylist() if row["problem"] is None)


def test_another_quality_is_another_content(delivery: Photographs) -> None:
    fine, coarse = taken(delivery), taken(delivery, quality=50)

    assert fine["sha256"].to_pylist() != coarse["sha256"].to_pylist()
    assert fine["width"].equals(coarse["width"])


def test_without_converting_the_table_says_nothing_was(delivery: Photographs) -> None:
    found = scan(delivery.root, delivery.root.parent / "scan.parquet").table

    images = as_they_are(found)

    assert images.schema.equals(CONVERTED_SCHEMA)
    assert images.select(found.column_names).equals(found)
    assert images["source"].null_count == len(found)


def test_a_damaged_conversion_is_named_and_made_again(delivery: Photographs) -> None:
    digest = next(row["sha256"] for row in taken(delivery).to_pylist() if row["path"] == "a.png")
    file = delivery.file("a.png", digest)
    assert isinstance(file, Path)
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    with pytest.raises(ChangedSinceScanError, match=r"the JPEG that a\.png was converted to is damaged: run"):
        delivery.read("a.png", digest)
    taken(delivery)
    assert delivery.read("a.png", digest) == whole
