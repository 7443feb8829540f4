"""Pictures of every usual kind come out upright, RGB, eight bits; the others are named."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plates.errors import UserError
from plates.photographs.header import ORIENTATION
from plates.predict.picture import Picture
from plates.predict.sources import expand, files, paths

WIDTH, HEIGHT = 48, 32


def drawn() -> Image.Image:
    """Red at the top left, blue elsewhere."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 16, 16))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def looks_right(pixels: np.ndarray) -> bool:
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    return bool(pixels[4, 4, 0] > 200 > 60 > pixels[4, 4, 2] and pixels[24, 40, 2] > 200 > 60 > pixels[24, 40, 0])


@pytest.mark.parametrize(
    "content",
    [
        encoded(drawn(), "JPEG", quality=95),
        encoded(drawn(), "JPEG", quality=95, progressive=True),
        encoded(drawn().convert("CMYK"), "JPEG", quality=95),
        encoded(drawn(), "PNG"),
        encoded(drawn().convert("P"), "PNG"),
        encoded(drawn().convert("RGBA"), "PNG"),
        encoded(drawn(), "WEBP", lossless=True),
        encoded(drawn(), "BMP"),
        encoded(drawn(), "TIFF"),
        encoded(drawn(), "GIF"),
    ],
    ids=["jpeg", "progressive", "cmyk", "png", "palette", "rgba", "webp", "bmp", "tiff", "gif"],
)
def test_every_usual_file_is_read(content: bytes) -> None:
    assert looks_right(Picture(content, "it").pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_turned_picture_is_seen_as_a_viewer_shows_it(orientation: int, kind: str) -> None:
    back = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = drawn() if back is None else drawn().transpose(back)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 95} if kind == "JPEG" else {}
    picture = Picture(encoded(stored, kind, exif=exif, **options), "it")
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert picture.turned == (orientation != 1)
    assert looks_right(picture.pixels)
    assert picture.reduced(8).shape == (HEIGHT // 8, WIDTH // 8, 3)


def test_grey_and_sixteen_bits_keep_their_brightness() -> None:
    grey = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (8, 1))
    for content in (
        encoded(Image.fromarray(grey), "PNG"),
        encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        grey,
        grey[..., None],
        grey.astype(np.uint16) * 257,
        grey.astype(np.float32) / 255,
    ):
        found = Picture(content, "it").pixels
        assert found.shape == (8, 64, 3)
        np.testing.assert_array_equal(found[..., 0], grey)


def test_what_shows_through_is_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (Picture(encoded(clear, "PNG"), "it").pixels == 255).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"no picture", "it is not a picture"),
        (encoded(drawn(), "JPEG")[:20], "it is not a picture"),
        (np.zeros((3, 4, 5), np.uint8), r"it is an array \[3, 4, 5\] of uint8"),
        (np.zeros((0, 4, 3), np.uint8), "it is an array"),
        (np.full((4, 4, 3), 9.0), "floats from 0 to 1"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes | np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        _ = Picture(content, "it").pixels


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_that_ends_early_is_damaged(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8))
    content = encoded(noise, kind)
    with pytest.raises(UserError, match="it is damaged"):
        _ = Picture(content[: len(content) // 2], "it").pixels


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_an_animation_is_not_a_picture(kind: str) -> None:
    content = encoded(drawn(), kind, save_all=True, append_images=[drawn().rotate(90)])
    with pytest.raises(UserError, match="it is an animation or a stack of 2 pictures"):
        Picture(content, "it")


def test_a_tiff_whose_second_directory_has_no_size_is_damaged() -> None:
    content = bytearray(encoded(drawn(), "TIFF"))
    (first,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, first)
    struct.pack_into("<I", content, first + 2 + 12 * entries, len(content))
    software = struct.pack("<HHI4s", 305, 2, 4, b"it\0\0")
    with pytest.raises(UserError, match="it is damaged"):
        Picture(bytes(content) + struct.pack("<H", 1) + software + bytes(4), "it")


def test_a_picture_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(UserError, match="more than 170 million"):
        Picture(encoded(Image.new("1", (20_000, 9_000)), "PNG"), "it")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "deep/er/c.webp", "notes.txt", ".hidden.png", "皖 A.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        kind = {"png": "PNG", "webp": "WEBP"}.get(name.rpartition(".")[2], "JPEG")
        (tmp_path / name).write_bytes(encoded(drawn(), kind))
    return tmp_path


def test_a_folder_is_its_pictures_and_a_pattern_what_it_matches(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in files(folder)]
    assert names == ["a.JPG", "b.png", "deep/er/c.webp", "皖 A.jpeg"]
    assert [picture.source for picture in expand(folder)] == [str(folder / name) for name in names]
    assert [picture.source for picture in expand(f"{folder}/*.png")] == [str(folder / "b.png")]
    assert len(list(expand([str(folder / "b.png"), drawn(), np.asarray(drawn()), encoded(drawn(), "PNG")]))) == 4
    assert len(list(expand(np.stack([np.asarray(drawn())] * 3)))) == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nowhere.jpg", r"nowhere\.jpg cannot be read: No such file"),
        ("*.jpx", "no file matches"),
        ("empty", "no picture .* anywhere in"),
        ("https://example.com/a.jpg", "is fetched only if you allow it"),
    ],
)
def test_what_is_not_there_is_named(folder: Path, asked: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=said):
        list(expand(asked))


def test_one_bad_file_does_not_keep_the_others_from_an_answer(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"no picture")
    said: list[tuple[str, str]] = []
    found = list(expand(folder, on_error=lambda source, error: said.append((source, str(error)))))
    assert len(found) == 3
    assert said == [(str(folder / "b.png"), f"{folder / 'b.png'} is not a picture that can be opened")]


def test_a_file_whose_name_begins_with_a_tilde_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths("~car.jpg") == [Path("~car.jpg")]
    assert paths("~/car.jpg") == [Path.home() / "car.jpg"]
