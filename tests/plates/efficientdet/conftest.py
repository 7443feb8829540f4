"""Small photographs on which the plate is a red rectangle, so that pixels can say where a box must be."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from plates.columns import BOX, CORNERS

WIDTH, HEIGHT = 96, 160

Tables = tuple[Path, pd.DataFrame, pd.DataFrame]


def jpeg(box: tuple[int, int, int, int] | None, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A grey picture with a red rectangle at xmin, ymin, xmax, ymax."""
    image = Image.new("RGB", size, (90, 90, 90))
    if box:
        ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(255, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def row(root: Path, path: str, encoded: bytes, box: tuple[int, int, int, int] | None, name: str = "plate") -> dict:
    """Writes a photograph, and returns its row of the boxes table."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(encoded)
    with Image.open(io.BytesIO(encoded)) as image:
        width, height = image.size
    xmin, ymin, xmax, ymax = box or (None,) * 4
    corners = (xmax, ymax, xmin, ymax, xmin, ymin, xmax, ymin)
    return {
        "path": path,
        "sha256": hashlib.sha256(encoded).hexdigest(),
        "width": width,
        "height": height,
        "class": name if box else None,
        **dict(zip(BOX, (xmin, ymin, xmax, ymax), strict=True)),
        **dict(zip(CORNERS, corners, strict=True)),
    }


def tables(root: Path, rows: list[dict], splits: tuple[str, ...] = ("train", "val")) -> Tables:
    """(root, boxes, splits) of rows; the images go to the splits in turn."""
    boxes = pd.DataFrame(rows)
    paths = sorted(boxes["path"].unique())
    ids = range(1, len(paths) + 1)
    names = [splits[number % len(splits)] for number in ids]
    return root, boxes, pd.DataFrame({"image_id": ids, "path": paths, "split": names})


@pytest.fixture
def photographs(tmp_path: Path) -> Callable[..., Tables]:
    """Makes `count` photographs under a new root, every seventh a negative: (root, boxes, splits)."""

    def make(count: int, splits: tuple[str, ...] = ("train", "val"), name: str = "root") -> Tables:
        root = tmp_path / name
        draw = np.random.default_rng(count)
        rows = []
        for index in range(count):
            xmin, ymin = int(draw.integers(0, 50)), int(draw.integers(0, 120))
            box = (xmin, ymin, xmin + int(draw.integers(20, 46)), ymin + int(draw.integers(14, 40)))
            wanted = None if index % 7 == 6 else box
            rows.append(row(root, f"base/皖{index:03d}.jpg", jpeg(wanted), wanted))
        return tables(root, rows, splits)

    return make
