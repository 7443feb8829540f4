"""How an example differs from the table it was written from."""

import hashlib
from typing import Any

import numpy as np

from plates.columns import BOX, CORNERS
from plates.efficientdet.data.tfrecords.example import Example

# A float32 share of an image's side, times the side: exact to a thousandth of a pixel up to 8,000 px.
_PIXELS = 1e-3


def differences(example: Example, row: dict[str, Any], split: str, label_map: dict[int, str]) -> list[tuple[str, str]]:
    """(kind, what) of every difference between an example of `split` and its row of `plan.images_table`."""
    problems = []
    if hashlib.sha256(example.encoded).hexdigest() != row["sha256"]:
        problems.append(("content", "its SHA-256 differs from the table's"))
    if row["split"] != split:
        problems.append(("split", f"in {split}, the table says {row['split']}"))
    expected = np.array([row[side] for side in BOX], float).T.reshape(-1, 4)
    if not _close(expected, example.boxes):
        problems.append(("boxes", f"{example.boxes.tolist()}, the table says {expected.tolist()}"))
    names = [label_map.get(int(label), f"label {label}") for label in example.labels]
    if names != row["class"] or example.names != row["class"]:
        problems.append(("classes", f"{names} named {example.names}, the table says {row['class']}"))
    if example.crowd.tolist() != row["crowd"]:
        problems.append(("crowds", f"{example.crowd.tolist()}, the table says {row['crowd']}"))
    corners = np.array([row[corner] for corner in CORNERS], float).T.reshape(-1, 8)
    corners = corners if np.isfinite(corners).all() else np.zeros((0, 8))
    found = example.corners if example.corners is not None else np.zeros((0, 8))
    if not _close(corners, found):
        problems.append(("corners", f"{found.tolist()}, the table says {corners.tolist()}"))
    return problems


def _close(expected: np.ndarray, found: np.ndarray) -> bool:
    return expected.shape == found.shape and np.allclose(expected, found, rtol=0, atol=_PIXELS)
