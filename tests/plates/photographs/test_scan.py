import hashlib
import io
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from plates.errors import UserError
from plates.photographs.content import ChangedSinceScanError, Photographs
from plates.photographs.header import read_header
from plates.photographs.scan import CACHE_SCHEMA, RAW_IMAGES_SCHEMA, Scan, not_read, scan


def picture(mode: str = "RGB", size: tuple[int, int] = (72, 116), form: str = "JPEG", **options) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 40).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def rotated_by_a_long(orientation: int, order: str) -> bytes:
    """EXIF with the orientation as a number of 32 bits, which Pillow reads but never writes."""
    tiff = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH", 42, 8, 1)
    tiff += struct.pack(f"{order}HHII", 0x0112, 4, 1, orientation) + struct.pack(f"{order}I", 0)
    return picture(exif=b"Exif\0\0" + tiff)


def rotated_by_xmp(orientation: int, **options) -> bytes:
    said = f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
    packet = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{said}</x:xmpmeta>"
    return picture(xmp=packet.encode(), **options)


def rotated(orientation: int, big_endian: bool = False) -> bytes:
    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    exif[0x0112] = orientation
    return picture(exif=exif)


JPEG = picture()
NOBODY = 65534
TRUTH = (72, 116, None)


def seen(root: Path, content: dict[str, bytes]) -> Scan:
    for path, data in content.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return scan(root, root.parent / "cache.parquet")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_finds_every_image_of_any_tree_in_order_of_path(root: Path) -> None:
    result = seen(
        root,
        {
            "CCPD2020/ccpd_green/train/b.jpg": JPEG,
            "CCPD2019/ccpd_base/z.JPG": JPEG,
            "mine/a.jpeg": JPEG,
            "loose.jpg": JPEG,
            "CCPD2019/split/train.txt": b"ccpd_base/z.JPG",
        },
    )
    assert result.table.schema.equals(RAW_IMAGES_SCHEMA)
    assert result.table["path"].to_pylist() == sorted(result.table["path"].to_pylist())
    assert dict(zip(result.table["name"].to_pylist(), result.table["subset"].to_pylist(), strict=True)) == {
        "z.JPG": "base",
        "b.jpg": "green",
        "a.jpeg": "mine",
        "loose.jpg": "data.root",
    }
    assert set(result.table["sha256"].to_pylist()) == {hashlib.sha256(JPEG).hexdigest()}
    assert set(zip(*[result.table[name].to_pylist() for name in ("width", "height", "bytes")], strict=True)) == {
        (72, 116, len(JPEG))
    }
    assert result.other_files == 1


@pytest.mark.parametrize(
    ("content", "width", "height", "problem"),
    [
        (JPEG, 72, 116, None),
        (picture("L"), 72, 116, None),
        (picture("CMYK"), 72, 116, None),
        (picture(progressive=True), 72, 116, None),
        (JPEG + b"\0" * 16, 72, 116, None),
        (
            picture(size=(4, 4)).replace(struct.pack(">HH", 4, 4), struct.pack(">HH", 30000, 30000), 1),
            30000,
            30000,
            None,
        ),
        (rotated(6), 72, 116, "EXIF orientation 6"),
        (rotated(8, big_endian=True), 72, 116, "EXIF orientation 8"),
        (rotated(1), 72, 116, None),
        (JPEG + b"\0\0\0\x18ftypmp42" + b"\0" * 9000, 72, 116, None),
        (b"", None, None, "zero bytes"),
        (picture(form="PNG"), None, None, "not a JPEG: a PNG"),
        (b"<!DOCTYPE html><html></html>", None, None, "not a JPEG: a web page"),
        (b"\0\0\0\x18ftypheic", None, None, "not a JPEG: a HEIC, AVIF or video"),
        (b"RIFF\0\0\0\0WEBPVP8 ", None, None, "not a JPEG: a WebP"),
        (b"RIFF\0\0\0\0AVI LIST", None, None, "not a JPEG: it starts with 52 49 46 46"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n",
            None,
            None,
            "not a JPEG: a Git LFS pointer (git lfs pull brings the photograph)",
        ),
        (b"\x01\x02\x03\x04", None, None, "not a JPEG: it starts with 01 02 03 04"),
        (JPEG[: len(JPEG) // 2], 72, 116, "truncated: no end marker"),
        (JPEG[:30], None, None, "truncated: it ends before the picture"),
        (JPEG[:2], None, None, "truncated: it ends before the picture"),
        (JPEG[:20] + b"\0" * 500, None, None, "damaged: no marker at byte 20"),
    ],
)
def test_header_and_problem(content: bytes, width: int | None, height: int | None, problem: str | None) -> None:
    header = read_header(content)
    assert (header.width, header.height, header.problem) == (width, height, problem)


UPRIGHT = Image.Exif()
UPRIGHT[0x0112] = 1


@pytest.mark.parametrize(
    ("content", "orientation"),
    [
        *((rotated_by_a_long(number, order), number) for number in (1, 6, 8) for order in "<>"),
        *((rotated_by_xmp(number), number) for number in (1, 3, 6)),
        (rotated_by_xmp(6, exif=UPRIGHT), 1),
        (rotated_by_xmp(6, exif=Image.Exif()), 6),
    ],
)
def test_the_orientation_is_what_pillow_says(content: bytes, orientation: int) -> None:
    """`predict` and the pages turn by it, so training must know it."""
    said = Image.open(io.BytesIO(content)).getexif().get(0x0112, 1)
    assert said == orientation
    assert read_header(content).problem == (f"EXIF orientation {orientation}" if orientation > 1 else None)


@given(st.binary(max_size=80), st.integers(0, len(JPEG)), st.integers(0, 60))
@settings(max_examples=300)
def test_no_bytes_crash_the_header_reader(noise: bytes, at: int, cut: int) -> None:
    header = read_header(JPEG[:at] + noise + JPEG[at + cut :])
    assert header.problem is not None or (header.width and header.height)


def test_real_photographs_have_no_problem_and_the_size_of_ccpd(shared: Path, tmp_path: Path) -> None:
    result = scan(shared / "ccpd", tmp_path / "cache.parquet")
    assert len(result.table) == 422
    assert set(result.table["problem"].to_pylist()) == {None}
    assert set(zip(result.table["width"].to_pylist(), result.table["height"].to_pylist(), strict=True)) == {(720, 1160)}
    counts = {entry["values"]: entry["counts"] for entry in result.table["subset"].value_counts().to_pylist()}
    assert counts == {"base": 415, "rotate": 1, "np": 3, "green": 3}


def test_an_unchanged_file_is_not_opened_again_and_a_changed_one_is(root: Path) -> None:
    first = seen(root, {"ccpd_base/a.jpg": JPEG, "ccpd_base/b.jpg": JPEG, "ccpd_base/empty.jpg": b""})
    assert (first.read, first.kept) == (3, 0)
    changed = picture("L")
    second = seen(root, {"ccpd_base/b.jpg": changed, "ccpd_base/c.jpg": JPEG})
    assert (second.read, second.kept) == (2, 2)
    rows = {row["name"]: row for row in second.table.to_pylist()}
    assert rows["a.jpg"] == first.table.to_pylist()[0]
    assert rows["b.jpg"]["sha256"] == hashlib.sha256(changed).hexdigest()
    (root / "ccpd_base/c.jpg").unlink()
    third = seen(root, {})
    assert (third.read, third.kept, len(third.table)) == (0, 3, 3)


def test_a_photograph_replaced_by_one_of_its_size_and_time_is_read_again(root: Path) -> None:
    first, second = (picture(quality=90) + bytes(500) for _ in range(2))
    first, second = first[:3000].ljust(3000, b"\0"), second[:3000].ljust(3000, b"\0")
    seen(root, {"a.jpg": first, "b.jpg": first})
    times = (root / "a.jpg").stat().st_atime_ns, (root / "a.jpg").stat().st_mtime_ns
    (root / "a.jpg").write_bytes(second)  # in place: the time of change tells
    (root / "new.jpg").write_bytes(second)
    os.utime(root / "a.jpg", ns=times)
    os.utime(root / "new.jpg", ns=((root / "b.jpg").stat().st_atime_ns, (root / "b.jpg").stat().st_mtime_ns))
    os.replace(root / "new.jpg", root / "b.jpg")  # another inode
    result = seen(root, {})
    assert (result.read, result.kept) == (2, 0)
    assert set(result.table["sha256"].to_pylist()) == {hashlib.sha256(second).hexdigest()}


def test_the_scan_after_a_photograph_that_belies_it_reads_all(root: Path) -> None:
    (row,) = seen(root, {"a.jpg": JPEG}).table.to_pylist()
    photographs = Photographs(root, scan_cache=root.parent / "cache.parquet")
    assert photographs.read("a.jpg", row["sha256"]) == JPEG
    assert seen(root, {}).read == 0
    with pytest.raises(ChangedSinceScanError):
        photographs.read("a.jpg", "0" * 64)
    assert seen(root, {}).read == 1


def test_a_cache_of_another_kind_is_not_trusted(root: Path) -> None:
    seen(root, {"a.jpg": JPEG})
    (root.parent / "cache.parquet").unlink()
    import pandas as pd

    pd.DataFrame({"path": ["a.jpg"]}).to_parquet(root.parent / "cache.parquet")
    assert seen(root, {}).read == 1


def test_links_are_counted_and_lead_nowhere(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jpg").write_bytes(JPEG)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "out.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    result = seen(root, {"a.jpg": JPEG})
    assert result.table["path"].to_pylist() == ["a.jpg"]
    assert result.links == 3


def test_names_of_other_encodings_and_of_255_bytes(root: Path) -> None:
    gbk = os.fsencode(root) + "/皖A12345.jpg".encode("gbk")
    with open(gbk, "wb") as stream:
        stream.write(JPEG)
    longest = "a" * 251 + ".jpg"
    rows = {row["name"]: row for row in seen(root, {longest: JPEG, "皖.jpg": JPEG}).table.to_pylist()}
    assert rows[longest]["problem"] is None
    assert rows["皖.jpg"]["problem"] is None
    (other,) = set(rows) - {longest, "皖.jpg"}
    assert other == r"\xcd\xeeA12345.jpg"
    assert rows[other]["problem"] == "the name is not UTF-8"


def test_photographs_of_kinds_that_are_not_read_are_counted(root: Path) -> None:
    result = seen(root, {"a.jpg": JPEG, "b.heic": b"\0", "c/d.HEIC": b"\0", "e.NEF": b"\0", "f.txt": b""})
    assert (result.other_files, result.foreign) == (4, {".heic": 2, ".nef": 1})
    assert ".heic 2, .nef 1" in not_read(result.foreign)


def test_nothing_is_written_in_the_root(root: Path) -> None:
    seen(root, {"ccpd_base/a.jpg": JPEG})
    before = sorted(root.rglob("*"))
    scan(root, root.parent / "cache.parquet")
    assert sorted(root.rglob("*")) == before
    with pytest.raises(UserError, match="never written"):
        scan(root, root / "cache.parquet")


def test_roots_that_cannot_be_scanned(root: Path) -> None:
    cache = root.parent / "cache.parquet"
    with pytest.raises(UserError, match="no image under"):
        scan(root, cache)
    (root / "notes.txt").write_text("nothing here")
    with pytest.raises(UserError, match="1 other files"):
        scan(root, cache)
    (root / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(UserError, match=r"no readable image under .* left out: \.heic 1\. Save them as JPEG or PNG"):
        scan(root, cache)
    with pytest.raises(UserError, match="does not exist"):
        scan(root / "missing", cache)
    with pytest.raises(UserError, match="which is a file"):
        scan(root / "notes.txt", cache)
    assert not cache.exists()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder's path, in a test that the system lets do no more than any user, whoever started it."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_folders_without_permission(as_nobody: Path) -> None:
    root = as_nobody / "root"
    seen(root, {"ccpd_base/a.jpg": JPEG, "ccpd_base/c.jpg": JPEG, "ccpd_db/b.jpg": JPEG})
    os.chmod(root / "ccpd_db", 0)
    assert seen(root, {}).unreadable == ["ccpd_db: Permission denied"]
    os.chmod(root / "ccpd_base/c.jpg", 0)
    (as_nobody / "cache.parquet").unlink()
    found = seen(root, {})
    assert found.unreadable == ["ccpd_db: Permission denied", "ccpd_base/c.jpg: unreadable: Permission denied"]
    assert found.table["problem"].to_pylist() == [None, "unreadable: Permission denied"]
    for mode in (0, 0o400, 0o100):
        os.chmod(root, mode)
        with pytest.raises(UserError, match=r"may not read.*chmod -R"):
            scan(root, as_nobody / "cache.parquet")
    os.chmod(root, 0o700)
    os.chmod(root / "ccpd_db", 0o700)


def test_what_other_code_found_is_not_believed(root: Path, monkeypatch) -> None:
    assert seen(root, {"a.jpg": JPEG}).read == 1
    assert seen(root, {}).read == 0
    monkeypatch.setattr("plates.photographs.scan.CACHE_SCHEMA", CACHE_SCHEMA.with_metadata({"code": "another"}))
    assert seen(root, {}).read == 1


def test_progress_counts_every_image(root: Path) -> None:
    seen(root, {"a.jpg": JPEG})
    (root / "b.jpg").write_bytes(JPEG)
    steps: list[int] = []
    scan(root, root.parent / "cache.parquet", progress=steps.append)
    assert sum(steps) == 2


def test_the_same_table_from_any_number_of_threads(shared: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("plates.photographs.scan.READ_AT_ONCE", 10)
    one, four = (scan(shared / "ccpd", tmp_path / f"{workers}.parquet", workers=workers) for workers in (1, 4))
    assert four.read == one.read > 300
    assert four.table.equals(one.table)


@pytest.mark.parametrize(
    ("folder", "file", "subset"),
    [
        ("ccpd_base", "a.jpg", "base"),
        ("ccpd_np", "deeper/a.jpg", "np"),
        ("ccpd_green", "train/a.jpg", "green"),
        ("ccpd_green/test", "a.jpg", "green"),
        ("ccpd_base", "ccpd_db/a.jpg", "db"),
        ("ccpd_backup", "photos/a.jpg", "photos"),
    ],
)
def test_a_root_that_is_one_subset(root: Path, folder: str, file: str, subset: str) -> None:
    assert seen(root / folder, {file: JPEG}).table["subset"].to_pylist() == [subset]
