"""The size of a JPEG and what is wrong with the file, without decoding a pixel (ITU-T T.81, annex B)."""

import re
import struct
from dataclasses import dataclass, replace

SOI, EOI, SOS, APP1, APP14 = 0xD8, 0xD9, 0xDA, 0xE1, 0xEE
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15 without DHT, JPG, DAC
ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
ORIENTATION = 0x0112
INTEGERS = {1: "B", 3: "H", 4: "I"}  # of EXIF, by its number of their type
XMP = b"http://ns.adobe.com/xap/1.0/\0"
TURNED = "EXIF orientation"
"""How a problem begins that leaves the picture readable."""
NOT_JPEG = "not a JPEG: "
"""How the problem of a file of another kind begins."""

OTHERS = (
    (b"\x89PNG\r\n\x1a\n", "a PNG"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"II+\x00", "a BigTIFF"),
    (b"MM\x00+", "a BigTIFF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF-", "a PDF"),
    (b"version https://git-lfs", "a Git LFS pointer (git lfs pull brings the photograph)"),
)


@dataclass(frozen=True)
class Header:
    """The contents of a file's header.

    Attributes:
        width: pixels as stored; None: no frame header was found.
        height: likewise.
        problem: what is wrong; None: nothing was found.
    """

    width: int | None
    height: int | None
    problem: str | None


def read_header(content: bytes | memoryview) -> Header:
    """Reads the header of a whole file.

    Problems that make the file unusable: `zero bytes`, `not a JPEG: ...`, `damaged: ...`, `truncated: ...`. One that a
    reader must know about: `EXIF orientation N` (the label's pixels may be those of the stored or of the turned
    picture). Greyscale, CMYK and progressive JPEGs are fine: every decoder used here reads them.
    """
    content = memoryview(content)
    if not content:
        return Header(None, None, "zero bytes")
    if bytes(content[:2]) != b"\xff\xd8":
        return Header(None, None, f"{NOT_JPEG}{_kind(bytes(content[:512]))}")
    width = height = None
    exif, xmp, at = 0, 0, 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            return Header(width, height, f"damaged: no marker at byte {at}")
        marker = content[at + 1]
        if marker == 0xFF or marker in ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == EOI:
            break
        (length,) = struct.unpack_from(">H", content, at + 2)
        segment = content[at + 4 : at + 2 + length]
        if marker in FRAMES and len(segment) >= 5:
            height, width = struct.unpack_from(">HH", segment, 1)
        elif marker == APP1 and bytes(segment[:6]) == b"Exif\0\0":
            exif = _orientation(bytes(segment[6:]))
        elif marker == APP1 and bytes(segment[: len(XMP)]) == XMP:
            xmp = _orientation_in_xmp(bytes(segment))
        elif marker == SOS:
            return _whole(content, at, Header(width, height, f"{TURNED} {exif or xmp}" if (exif or xmp) > 1 else None))
        at += 2 + length
    problem = "truncated: it ends before the picture" if at + 4 > len(content) else "damaged: no picture in it"
    return Header(width, height, problem)


def _whole(content: memoryview, scan: int, found: Header) -> Header:
    """`found`, or what is wrong with a file whose pixels begin at `scan`; a phone may put a video behind them."""
    if not found.width or not found.height:
        return Header(None, None, "damaged: the picture has no size")
    if bytes(content[scan:]).find(b"\xff\xd9") < 0:
        return replace(found, problem="truncated: no end marker")
    return found


def _kind(start: bytes) -> str:
    for magic, name in OTHERS:
        if start.startswith(magic):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "a WebP"
    if start[4:8] == b"ftyp":
        return "a HEIC, AVIF or video"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    return f"it starts with {start[:4].hex(' ')}"


def _orientation(tiff: bytes) -> int:
    """The orientation, 1 to 8, in an EXIF block; 0 if it gives none (CIPA DC-008, table 6)."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 0
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return 0
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, _ = struct.unpack_from(order + "HHI", tiff, entry)
        if tag == ORIENTATION and kind in INTEGERS:
            (value,) = struct.unpack_from(order + INTEGERS[kind], tiff, entry + 8)
            return value if 1 <= value <= 8 else 1
    return 0


def _orientation_in_xmp(packet: bytes) -> int:
    """The orientation in an XMP packet, as Pillow takes it where EXIF gives none; 0 if there is none."""
    found = re.search(rb'tiff:Orientation(?:="|>)([1-8])', packet)
    return int(found[1]) if found else 0
