"""Decoding in full: what is damaged is found, each content is decoded once, and the hash is of what is seen."""

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from plates.efficientdet.data.jpeg import decoded_size
from plates.errors import UserError
from plates.photographs import decode
from plates.photographs.content import Photographs
from plates.photographs.decode import DECODED_SCHEMA, decode_images, look
from plates.photographs.scan import scan


def picture(seed: int, mode: str = "RGB", **options) -> bytes:
    """A smooth random picture, as a JPEG."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(small).resize((720, 1160), Image.Resampling.BICUBIC)
    image.convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def without(content: bytes, start: float, count: int, filling: bytes = b"") -> bytes:
    """`content` with `count` bytes from `start`, a share of it, replaced."""
    at = round(len(content) * start)
    return content[:at] + filling + content[at + count :]


def chroma_411_turned() -> bytes:
    """A JPEG of 4:4:1, as turning one of 4:1:1 without loss makes it: Pillow cannot write one, so a 4:2:0's says so."""
    content = bytearray(picture(0, subsampling=2))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 2336, 360)
    assert content[frame + 11] == 0x22
    content[frame + 11] = 0x14
    return bytes(content)


def test_a_chroma_subsampling_without_a_name_decodes() -> None:
    content = chroma_411_turned()
    assert look(content) == (None, look(content)[1])
    assert decoded_size(content) == (360, 2336) == Image.open(io.BytesIO(content)).size


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}, {"subsampling": 0}])
def test_whole_pictures_of_every_kind_have_a_hash(options: dict) -> None:
    problem, dhash = look(picture(0, **options))
    assert problem is None
    assert dhash is not None


def damaged() -> dict[str, bytes]:
    whole = picture(0)
    frame = whole.index(b"\xff\xc0")
    return {
        "cut, its end marker kept": without(whole, 0.5, len(whole) // 2 - 2),
        "its middle zeroed": without(whole, 0.5, 2000, bytes(2000)),
        "its middle 0xff": without(whole, 0.5, 2000, b"\xff" * 2000),
        "12 bits a sample": whole[: frame + 4] + b"\x0c" + whole[frame + 5 :],
        "no tables": b"\xff\xd8" + whole[frame:],
    }


@pytest.mark.parametrize("what", damaged())
def test_damage_is_found_that_leaves_header_and_end_in_place(what: str) -> None:
    problem, dhash = look(damaged()[what])
    assert problem is not None
    assert problem.startswith("damaged: ")
    assert dhash is None


def test_every_real_photograph_is_whole(shared: Path) -> None:
    photographs = sorted((shared / "ccpd").rglob("*.jpg"))
    assert len(photographs) > 400
    assert {look(file.read_bytes())[0] for file in photographs} == {None}


def test_a_picture_saved_again_is_near_and_another_is_far() -> None:
    first, again, other = (look(picture(seed, quality=quality))[1] for seed, quality in ((0, 90), (0, 40), (1, 90)))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first ^ again).bit_count() <= 3
    assert (first ^ other).bit_count() > 10


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(picture(number))
    (root / "again.jpg").write_bytes(picture(0))
    (root / "cut.jpg").write_bytes(damaged()["cut, its end marker kept"])
    (root / "page.jpg").write_bytes(b"<html>404</html>")
    return root


def decoded(root: Path, **options) -> pa.Table:
    found = scan(root, root.parent / "scan.parquet").table
    return decode_images(found, Photographs(root), root.parent / "decoded.parquet", **options)


def test_what_decoding_finds_joins_what_the_scan_found(delivery: Path) -> None:
    table = decoded(delivery)
    assert table.schema.equals(DECODED_SCHEMA)
    rows = {row["path"]: row for row in table.to_pylist()}
    assert rows["cut.jpg"]["problem"].startswith("damaged: ")
    assert rows["page.jpg"]["problem"] == "not a JPEG: a web page"
    assert rows["0.jpg"]["problem"] is None
    assert rows["0.jpg"]["dhash"] == rows["again.jpg"]["dhash"] == look(picture(0))[1]
    assert [path for path, row in rows.items() if row["dhash"] is None] == ["cut.jpg", "page.jpg"]


def test_a_content_is_decoded_once_and_a_killed_run_goes_on(delivery: Path, monkeypatch) -> None:
    monkeypatch.setattr(decode, "KEPT_AFTER", 2)
    monkeypatch.setattr(decode, "AT_ONCE", 1)
    done: list[tuple[int, int]] = []

    def stop(now: int, total: int) -> None:
        done.append((now, total))
        if now == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoded(delivery, progress=stop)
    assert done == [(1, 6), (2, 6), (3, 6), (4, 6)]
    done.clear()
    first = decoded(delivery, progress=lambda *step: done.append(step))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert decoded(delivery, progress=pytest.fail).equals(first)
    (delivery.parent / "decoded.parquet").unlink()
    assert decoded(delivery, workers=3).equals(first)


def test_what_other_code_or_another_decoder_found_is_not_believed(delivery: Path, monkeypatch) -> None:
    decoded(delivery)
    monkeypatch.setattr(decode, "CACHE_SCHEMA", decode.CACHE_SCHEMA.with_metadata({"code": "another"}))
    done: list[int] = []
    decoded(delivery, progress=lambda now, total: done.append(now))
    assert done[-1] == 6


def test_a_picture_too_large_is_left_to_the_checks(tmp_path: Path) -> None:
    content = b"neither read nor decoded"
    columns = [["base"], ["a.jpg"], ["a.jpg"], [9], [hashlib.sha256(content).hexdigest()], [30000], [30000], [None]]
    images = pa.table(columns, schema=decode.RAW_IMAGES_SCHEMA)
    assert decode_images(images, Photographs(tmp_path), tmp_path / "decoded.parquet")["dhash"].to_pylist() == [None]


def test_a_photograph_that_goes_away_is_named(delivery: Path) -> None:
    found = scan(delivery, delivery.parent / "scan.parquet").table
    (delivery / "3.jpg").unlink()
    with pytest.raises(
        UserError, match=r"3\.jpg cannot be read any more \(No such file.*plates materialize raw_images"
    ):
        decode_images(found, Photographs(delivery), delivery.parent / "decoded.parquet")
