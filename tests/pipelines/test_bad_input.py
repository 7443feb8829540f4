"""Every kind of bad file of a delivery, through scan, labels, suites, splits and TFRecords: each has a clear end.

The rest of the list of bad input: roots and permissions in tests/plates/photographs/test_scan.py and
test_ruined_input.py, lists that name missing files in test_deliveries.py, files that change or vanish and full disks in
tests/plates/efficientdet/data/test_tfrecord.py, kills in test_kill.py.
"""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from checks.annotations import validate
from checks.suites.splits import crossings
from plates.ccpd.table import label_map, parse_labels
from plates.efficientdet.data import tfrecords
from plates.photographs.content import Photographs
from plates.photographs.decode import decode_images
from plates.photographs.scan import scan
from plates.splits.split import split_by_plate

NAME = "0133812260536-79_96-297&458_439&560-437&531_307&558_293&485_423&458-0_0_33_33_33_8_{}-85-29.jpg"
HUGE = struct.pack(">HH", 1160, 720), struct.pack(">HH", 30000, 30000)
EIGHT_BITS, TWELVE_BITS = b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"


def jpeg(mode: str = "RGB", form: str = "JPEG", **options) -> bytes:
    """A picture of CCPD's size; no two are equal."""
    stream = io.BytesIO()
    small = Image.effect_noise((72, 116), 60).resize((720, 1160))
    small.convert(mode).save(stream, form, **options)
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(exif=exif)


def huge() -> bytes:
    """900 megapixels in 10 MiB."""
    stream = io.BytesIO()
    Image.new("L", (30000, 30000)).save(stream, "JPEG")
    return stream.getvalue()


def zeroed() -> bytes:
    content = jpeg()
    middle = len(content) // 2
    return content[:middle] + bytes(2000) + content[middle + 2000 :]


def name(number: int, old: str = "", new: str = "") -> str:
    """A good name, its plate ending in the character of index `number`, or that name with a fault."""
    return NAME.format(number).replace(old, new)


# what it is: its path, how its bytes are made, and where it must end: kept, alone (not even in the scan), or why not.
CASES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "good": ("ccpd_base/" + name(0), jpeg, "kept"),
    "greyscale": ("ccpd_base/" + name(1), lambda: jpeg("L"), "kept"),
    "CMYK": ("ccpd_base/" + name(2), lambda: jpeg("CMYK"), "kept"),
    "progressive": ("ccpd_base/" + name(3), lambda: jpeg(progressive=True), "kept"),
    "name of 255 bytes": ("ccpd_np/" + "4" * 251 + ".jpg", jpeg, "kept"),
    "label of 255 bytes": ("ccpd_base/" + name(4, "0536-", "0536" + "0" * 161 + "-"), jpeg, "unparsed"),
    "one name in base": ("ccpd_base/" + name(5), jpeg, "kept"),
    "the same in db": ("ccpd_db/" + name(5), jpeg, "kept"),
    "no plate": ("ccpd_np/1.jpg", jpeg, "kept"),
    "turned by EXIF": ("ccpd_base/" + name(6), turned, "image_upright"),
    "zero bytes": ("ccpd_base/" + name(7), bytes, "image_decodes"),
    "truncated": ("ccpd_base/" + name(8), lambda: jpeg()[:-9000], "image_decodes"),
    "PNG": ("ccpd_base/" + name(9), lambda: jpeg(form="PNG"), "image_is_jpeg"),
    "HTML": ("ccpd_base/" + name(10), lambda: b"<html>404</html>", "image_is_jpeg"),
    "30,000 wide": ("ccpd_base/" + name(11), lambda: jpeg().replace(*HUGE), "image_not_huge, image_size_as_labelled"),
    "30,000 by 30,000 for real": ("ccpd_np/2.jpg", huge, "image_not_huge"),
    "cut, its end marker kept": ("ccpd_base/" + name(20), lambda: jpeg()[:-9000] + b"\xff\xd9", "image_decodes"),
    "its middle zeroed": ("ccpd_np/3.jpg", zeroed, "image_decodes"),
    "12 bits a sample": ("ccpd_np/4.jpg", lambda: jpeg().replace(EIGHT_BITS, TWELVE_BITS), "image_decodes"),
    "damaged PNG": ("ccpd_np/5.jpg", lambda: jpeg(form="PNG")[:600], "image_is_jpeg"),
    "too few fields": ("ccpd_base/" + name(12, "-85-29", "-85"), jpeg, "unparsed"),
    "too many fields": ("ccpd_base/" + name(13, "-29.jpg", "-29-7.jpg"), jpeg, "unparsed"),
    "negative coordinate": ("ccpd_base/" + name(14, "297&", "-297&"), jpeg, "unparsed"),
    "index out of the alphabet": ("ccpd_base/" + name(15, "0_0_33", "0_25_33"), jpeg, "unparsed"),
    "swapped coordinates": (
        "ccpd_base/" + name(16, "297&458_439&560", "439&560_297&458"),
        jpeg,
        "box_sides_positive",
    ),
    "box beyond the image": (
        "ccpd_base/" + name(17, "297&458_439&560", "597&458_739&560").replace("437&", "737&").replace("307&", "607&")
        .replace("293&", "593&").replace("423&", "723&"),
        jpeg,
        "box_inside_image",
    ),
    "letter O": ("ccpd_base/" + name(18, "0_0_33", "0_24_33"), jpeg, "plate_complete"),
    "nine characters": ("ccpd_base/" + name(19, "0_0_33", "0_0_1_1_33"), jpeg, "green_plate_has_8"),
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("delivery") / "root"
    for path, content, _ in CASES.values():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content())
    with open(bytes(root / "ccpd_base") + "/皖.jpg".encode("gbk"), "wb") as stream:
        stream.write(jpeg())
    (root.parent / "outside.jpg").write_bytes(jpeg())
    (root / "ccpd_base/out.jpg").symlink_to(root.parent / "outside.jpg")
    (root / "ccpd_base/loop").symlink_to(root, target_is_directory=True)
    return root


@pytest.fixture(scope="module")
def ends(root: Path) -> dict[str, str]:
    """Path to where each file of the delivery ends, after the TFRecords were written and read back."""
    found = scan(root, root.parent / "scan.parquet")
    assert found.links == 2
    images = decode_images(found.table, Photographs(root), root.parent / "decoded.parquet")
    labels, unparsed = parse_labels(images)
    verdict = validate(labels.to_pandas())
    splits = split_by_plate(pa.Table.from_pandas(verdict.accepted), seed=0).table.to_pandas()
    assert all(crossing.success for crossing in crossings(splits, verdict.accepted))
    tfrecords.write(verdict.accepted, splits, label_map("plate"), Photographs(root), root.parent / "tfrecords")
    assert tfrecords.verify(root.parent / "tfrecords", verdict.accepted, splits).problems == []
    broken = dict(zip(verdict.rejected["path"], verdict.rejected["broken"], strict=True))
    return (
        dict.fromkeys(splits["path"], "kept")
        | {path: ", ".join(sorted(names)) for path, names in broken.items()}
        | dict.fromkeys(unparsed["path"].to_pylist(), "unparsed")
    )


@pytest.mark.parametrize("what", CASES)
def test_each_file_ends_where_it_must(ends: dict[str, str], what: str) -> None:
    path, _, end = CASES[what]
    assert ends[path] == end


def test_names_in_other_encodings_are_kept_in_sight_and_links_are_left_alone(ends: dict[str, str]) -> None:
    assert ends[r"ccpd_base/\xcd\xee.jpg"] == "unparsed"
    assert not [path for path in ends if "out.jpg" in path or "loop" in path]


def test_every_kind_of_jpeg_that_is_kept_reaches_the_network(ends: dict[str, str], root: Path) -> None:
    from plates.efficientdet.data.batches import Pictures, evaluation_batches

    folder = root.parent / "tfrecords"
    manifest = tfrecords.read_manifest(folder)
    seen = [
        image
        for split, part in manifest.splits.items()
        if part.images
        for batch in evaluation_batches(folder, Pictures((160, 96)), 4, split).as_numpy_iterator()
        for image in batch["images"]
    ]
    assert len(seen) == sum(end == "kept" for _, _, end in CASES.values())
    # The noise is even over the picture: a decoder that mistook the colours would turn it dark or bright.
    assert all(abs(float(np.mean(image)) - 128) < 12 for image in seen)
