"""One photograph and its boxes as an example, and back.

Feature names: TF Object Detection API (`object_detection/core/standard_fields.py`, `TfExampleFields`), read
by google/automl's `tf_example_decoder.py` too; `image/object/corners` is this project's: eight floats per box,
the plate's corners right-bottom, left-bottom, left-top, right-top as x, y in 0..1, absent unless all boxes
have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from google.protobuf.message import DecodeError

from plates.columns import BOX, CORNERS
from plates.efficientdet.data.tfrecords import protobuf
from plates.errors import UserError


@dataclass(frozen=True)
class Example:
    """The content of an example.

    `boxes` [n, 4] are xmin, ymin, xmax, ymax in pixels of the image, float32; `corners` [n, 8] pixels or None; `labels`
    [n] from 1; `crowd` [n] bool; `sha256` hex, empty if the example has none.
    """

    image_id: str
    path: str
    height: int
    width: int
    encoded: bytes
    sha256: str
    boxes: np.ndarray
    labels: np.ndarray
    names: list[str]
    crowd: np.ndarray
    corners: np.ndarray | None


def to_bytes(image: dict[str, Any], encoded: bytes, ids: dict[str, int]) -> bytes:
    """Serialized example of one row of `plan.images_table`; `ids` is class name -> label id."""
    width, height = image["width"], image["height"]
    count = len(image["class"])
    boxes = np.array([image[side] for side in BOX], np.float32)
    relative = boxes / np.array([[width], [height], [width], [height]], np.float32)
    area = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
    features: dict[str, tuple[str, protobuf.Values]] = {
        "image/encoded": ("bytes_list", [encoded]),
        "image/format": ("bytes_list", [b"jpeg"]),
        "image/height": ("int64_list", [height]),
        "image/width": ("int64_list", [width]),
        "image/filename": ("bytes_list", [image["path"].encode()]),
        "image/source_id": ("bytes_list", [str(image["image_id"]).encode()]),
        "image/key/sha256": ("bytes_list", [image["sha256"].encode()]),
        "image/object/class/text": ("bytes_list", [name.encode() for name in image["class"]]),
        "image/object/class/label": ("int64_list", [ids[name] for name in image["class"]]),
        "image/object/is_crowd": ("int64_list", list(map(int, image["crowd"]))),
        "image/object/area": ("float_list", area.tolist()),
    }
    for side, values in zip(BOX, relative.tolist(), strict=True):
        features[f"image/object/bbox/{side}"] = ("float_list", values)
    corners = np.array([image[corner] for corner in CORNERS], float).T
    if count and np.isfinite(corners).all():
        scaled = corners / np.array([width, height] * 4)
        features["image/object/corners"] = ("float_list", scaled.ravel().tolist())
    return protobuf.serialize(features)


def from_bytes(payload: bytes) -> Example:
    """Parses an example of this project or of another writer of the same features.

    Raises:
        UserError: the bytes are not such an example.
    """
    try:
        return _example(protobuf.parse(payload))
    except (DecodeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"not an example of the TF Object Detection API: {type(error).__name__} {error}") from error


def _example(features: Mapping[str, protobuf.Values]) -> Example:
    """The example of these features; `from_bytes` turns its exceptions into messages."""

    def bytes_of(name: str) -> list[bytes]:
        values = list(features.get(name, []))
        if not all(isinstance(value, bytes) for value in values):
            raise TypeError(f"{name} holds no bytes")
        return cast(list[bytes], values)

    def text(name: str) -> str:
        return next(iter(bytes_of(name)), b"").decode(errors="replace")

    width, height = int(features["image/width"][0]), int(features["image/height"][0])
    labels = np.array(features.get("image/object/class/label", []), np.int64)
    sides = np.array([features.get(f"image/object/bbox/{side}", []) for side in BOX], np.float32)
    boxes = sides.T * np.array([width, height, width, height], np.float32)
    if len(boxes) != len(labels):
        raise ValueError(f"{len(boxes)} boxes and {len(labels)} labels")
    corners = np.array(features.get("image/object/corners", []), np.float32)
    return Example(
        image_id=text("image/source_id"),
        path=text("image/filename"),
        height=height,
        width=width,
        encoded=bytes_of("image/encoded")[0],
        sha256=text("image/key/sha256"),
        boxes=boxes,
        labels=labels,
        names=[name.decode() for name in bytes_of("image/object/class/text")],
        crowd=np.array(features.get("image/object/is_crowd", [0] * len(labels)), bool),
        corners=corners.reshape(-1, 8) * np.array([width, height] * 4, np.float32) if corners.size else None,
    )
