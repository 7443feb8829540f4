"""Pictures as data URIs, so that a page or a Markdown text needs no file beside it."""

import base64
import io
from typing import Any

from PIL import Image


def image_uri(image: Image.Image, kind: str = "JPEG", **options: Any) -> str:
    """A picture as a data URI; `options` are Pillow's for writing `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def markdown(title: str, uri: str) -> str:
    """A picture in Markdown, which the UI shows."""
    return f"![{title}]({uri})"
