"""Pages escape what they show, and a picture on one never fails its page."""

import io
import struct

import jinja2
import pytest
from PIL import Image

from plates.pages.page import render
from plates.pages.pictures import from_file


def jpeg(size: tuple[int, int], **options) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, "white").save(stream, "JPEG", **options)
    return stream.getvalue()


def test_a_thin_picture_and_a_strange_orientation_are_shown() -> None:
    words = b"II*\0" + struct.pack("<IHHHI4sI", 8, 1, 0x0112, 2, 2, b"6", 0)
    assert from_file(jpeg((10, 4000))).image.height == 320
    assert from_file(jpeg((72, 116), exif=b"Exif\0\0" + words)).image.size[1] == 320


def test_a_missing_value_is_an_error_and_html_is_escaped() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("plates.pages", "base.html.j2")
    assert "<title>a &lt; b</title>" in render("plates.pages", "base.html.j2", title="a < b")
