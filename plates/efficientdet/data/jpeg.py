"""JPEGs without TensorFlow."""

import simplejpeg


def decoded_size(content: bytes) -> tuple[int, int]:
    """Decodes a JPEG in full and returns its (width, height) in pixels, as stored.

    Every coefficient is decoded; the inverse transform, which cannot fail, runs at an eighth of the scale.

    Raises:
        ValueError: it does not decode, or libjpeg would fill missing parts with grey.
    """
    height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    simplejpeg.decode_jpeg(content, "CMYK" if colours in ("CMYK", "YCCK") else "GRAY", min_factor=8)
    return width, height
