"""Photographs with their plates hidden: nothing else changes, and nothing that shows them is left."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import plates
from plates.errors import UserError
from plates.hide.options import Options
from plates.hide.photograph import EXIF, GPS, covered_photograph, hide_photograph
from plates.hide.plan import plan
from plates.hide.report import write_page
from plates.photographs.header import ORIENTATION
from plates.predict.picture import Picture

Boxes = dict[Path, tuple[float, float, float, float]]
DESCRIPTION, RESOLUTION = 0x010E, 0x011A


@pytest.fixture(scope="module")
def model(exported: Path) -> plates.Model:
    return plates.load(exported)


@pytest.fixture
def photograph(toy_photographs: Boxes, tmp_path: Path) -> Path:
    """On its side, with a place, a thumbnail that shows the plate, and a description."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = 6, "a street"
    exif.get_ifd(GPS)[1] = "N"
    upright = Image.open(next(iter(toy_photographs)))
    thumbnail = io.BytesIO()
    upright.resize((32, 32)).save(thumbnail, "JPEG")
    file = tmp_path / "lying.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif, quality=90)
    return file


@pytest.mark.parametrize(("metadata", "place", "described"), [("keep", 1, 1), ("no-gps", 0, 1), ("none", 0, 0)])
def test_metadata_is_kept_or_not_and_the_picture_is_upright(
    model: plates.Model, photograph: Path, toy_photographs: Boxes, metadata: str, place: bool, described: bool
) -> None:
    before = photograph.read_bytes()
    target = photograph.with_name("hidden.jpg")
    said = hide_photograph(model, photograph, target, Options(metadata=metadata))
    assert said.plates >= 1
    assert photograph.read_bytes() == before
    with Image.open(target) as hidden, Image.open(next(iter(toy_photographs))) as upright:
        exif = hidden.getexif()
        assert (bool(exif.get_ifd(GPS)), DESCRIPTION in exif) == (bool(place), bool(described))
        assert exif.get(ORIENTATION, 1) == 1
        assert hidden.size == upright.size
        (left, top, right, bottom) = map(int, next(iter(toy_photographs.values())))
        found, old = np.asarray(hidden).astype(int), np.asarray(upright).astype(int)
        outside = np.ones(found.shape[:2], bool)
        outside[top - 20 : bottom + 20, left - 20 : right + 20] = False
        for box in model.predict(photograph, score="promise")[0].xyxy.astype(int).tolist():
            outside[box[1] - 20 : box[3] + 20, box[0] - 20 : box[2] + 20] = False
        assert np.abs(found - old)[outside].mean() < 4


TIFFS = [("TIFF", mode) for mode in ("RGB", "L", "P", "RGBA", "LA", "CMYK", "I;16", "YCbCr", "LAB")]


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB"), *TIFFS]
)
def test_every_usual_kind_stays_of_its_kind(model: plates.Model, toy_photographs: Boxes, kind: str, mode: str) -> None:
    buffer = io.BytesIO()
    in_mode(Image.open(next(iter(toy_photographs))), mode).save(buffer, kind)
    picture = Picture(buffer.getvalue(), "it")
    content, result, least = covered_photograph(model, picture, Options(style="fill"))
    with Image.open(io.BytesIO(content)) as hidden:
        assert hidden.format == kind
        pixels = np.asarray(hidden.convert("RGB")).astype(int)
    assert np.abs(pixels[:2] - picture.pixels[:2]).mean() < 4, "away from plates nothing changes"
    for box in result.over(least).xyxy.astype(int).tolist():
        inside = pixels[max(box[1], 0) + 2 : box[3] - 2, max(box[0], 0) + 2 : box[2] - 2]
        assert np.abs(inside - 32).max() < 24


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return ImageCms.profileToProfile(
            image.convert("RGB"), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def test_a_turned_tiff_with_all_that_editors_write_keeps_no_picture_and_no_place(
    model: plates.Model, toy_photographs: Boxes, tmp_path: Path
) -> None:
    """XMP with the place, Photoshop's block with a preview, the maker's notes."""
    secret = b"a picture of the plate, and where"
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION], exif[700], exif[34377] = 6, "a street", secret, secret
    exif[EXIF] = {0x927C: secret, 0x9003: "2019:01:02 03:04:05"}
    exif[GPS] = {1: "N"}
    file = tmp_path / "lying.tif"
    Image.open(next(iter(toy_photographs))).transpose(Image.Transpose.ROTATE_90).save(file, exif=exif.tobytes())
    assert secret in file.read_bytes()
    for metadata, place in (("keep", True), ("no-gps", False)):
        target = tmp_path / f"{metadata}.tif"
        hide_photograph(model, file, target, Options(metadata=metadata))
        assert secret not in target.read_bytes()
        with Image.open(target) as hidden, Image.open(next(iter(toy_photographs))) as upright:
            kept = hidden.getexif()
            assert (kept[DESCRIPTION], kept.get_ifd(EXIF)[0x9003]) == ("a street", "2019:01:02 03:04:05")
            assert (bool(kept.get_ifd(GPS)), kept.get(ORIENTATION, 1)) == (place, 1)
            assert hidden.size == upright.size
            hidden.load()


def test_exif_that_cannot_be_written_again_is_named(
    model: plates.Model, toy_photographs: Boxes, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[RESOLUTION] = 72.0
    content = exif.tobytes().replace(struct.pack(">HHI", RESOLUTION, 5, 1), struct.pack(">HHI", RESOLUTION, 2, 8))
    assert content != exif.tobytes()
    odd = tmp_path / "odd.jpg"
    Image.open(next(iter(toy_photographs))).save(odd, exif=content)
    with pytest.raises(UserError, match=r"odd.jpg: its EXIF cannot be written again .*--metadata none"):
        hide_photograph(model, odd, tmp_path / "hidden.jpg", Options())
    assert not (tmp_path / "hidden.jpg").exists()
    assert hide_photograph(model, odd, tmp_path / "hidden.jpg", Options(metadata="none")).plates >= 1


@pytest.mark.parametrize(("space", "kept"), [(b"RGB ", True), (b"CMYK", False), (b"GRAY", False)])
def test_a_colour_profile_is_kept_if_it_is_of_rgb(
    model: plates.Model, toy_photographs: Boxes, space: bytes, kept: bool
) -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = space
    stored = io.BytesIO()
    Image.open(next(iter(toy_photographs))).save(stored, "JPEG", icc_profile=bytes(profile))
    covered, _, _ = covered_photograph(model, Picture(stored.getvalue(), "it"), Options())
    assert ("icc_profile" in Image.open(io.BytesIO(covered)).info) == kept


def test_the_promised_threshold_is_taken_and_what_is_under_it_is_doubtful(
    model: plates.Model, photograph: Path, tmp_path: Path
) -> None:
    (found,) = model.predict(photograph, score=0.0)
    best = float(found.scores[0])
    said = hide_photograph(model, photograph, tmp_path / "a.jpg", Options(score=best + 1e-3))
    assert said.plates == 0
    assert any("was not hidden" in doubt.reason for doubt in said.doubts)
    write_page(tmp_path / "doubts.html", [said])
    assert (tmp_path / "doubts.html").read_text().count("<figure>") == len(said.pictures) > 0
    assert hide_photograph(model, photograph, tmp_path / "b.jpg", Options()).plates == len(found.over(0.1))


def test_each_file_has_a_place_and_none_is_overwritten(tmp_path: Path) -> None:
    for name in ("in/a.jpg", "in/deep/b.png", "in/c.mp4", "in/notes.txt", "other/a.jpg", "out/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    street = str(tmp_path / "in")
    found = plan([street], tmp_path / "new")
    assert {str(target.relative_to(tmp_path)) for target in found.values()} == {
        "new/a.jpg",
        "new/c.mp4",
        "new/deep/b.png",
    }
    assert all(source == target for source, target in plan([street], None).items())
    (tmp_path / "in/link.jpg").symlink_to(tmp_path / "other/a.jpg")
    assert tmp_path / "other/a.jpg" in plan([street], None).values()
    assert tmp_path / "in/link.jpg" not in plan([street], None).values()
    (tmp_path / "in/link.jpg").unlink()
    for given, to, said in (
        ([street], "out", "1 of 3 files already exist"),
        ([f"{street}/a.jpg", str(tmp_path / "other/a.jpg")], "new", "would both be"),
        ([street], "in/hidden", "is inside "),
        ([str(tmp_path / "out" / "none*")], "new", "no file matches"),
        ([""], "new", "a name is empty"),
    ):
        with pytest.raises(UserError, match=said):
            plan(given, tmp_path / to)
