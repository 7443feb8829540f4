"""JPEGs without TensorFlow."""

import simplejpeg


def colours(content: bytes) -> str:
    """What a JPEG is decoded to where only its completeness or brightness counts; `ValueError` if it has no header."""
    try:
        return "CMYK" if simplejpeg.decode_jpeg_header(content)[2] in ("CMYK", "YCCK") else "GRAY"
    except KeyError:  # 4:4:1, which decodes but has no name there
        return "GRAY"


def decoded_size(content: bytes) -> tuple[int, int]:
    """Decodes a JPEG in full and returns its (width, height) in pixels, as stored.

    Every coefficient is decoded; the inverse transform, which cannot fail, runs at an eighth of the scale.

    Raises:
        ValueError: it does not decode, or libjpeg would fill missing parts with grey.
    """
    simplejpeg.decode_jpeg(content, colours(content), min_factor=8)
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(content)
    except KeyError:
        height, width, _ = simplejpeg.decode_jpeg(content, "GRAY").shape
    return width, height
