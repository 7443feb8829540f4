"""Numbers from running google/automl's EfficientDet (commit 6a54c874, TF 2.15.1); see the README beside them."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

LEVELS = range(3, 8)
SETS = [f"s{i}" for i in range(8)]


class Published:
    """One folder of them, with levels joined as our network joins them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.image_size = (size, size)

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as file:
            return dict(file)

    def json(self, name: str):
        return json.loads((self.folder / f"{name}.json").read_text())

    @cached_property
    def anchors(self) -> np.ndarray:
        return self.arrays("anchors")["boxes"]

    @cached_property
    def outputs(self) -> dict[str, np.ndarray]:
        """Logits [2, A, C] and box deltas [2, A, 4] of the two pictures."""
        found = self.arrays("logits")
        classes = found["cls_P3"].shape[-1] // 9
        return {
            "class": np.concatenate([found[f"cls_P{level}"].reshape(2, -1, classes) for level in LEVELS], axis=1),
            "box": np.concatenate([found[f"box_P{level}"].reshape(2, -1, 4) for level in LEVELS], axis=1),
        }

    @cached_property
    def ground_truth(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [8, 12, 4] and 1-based classes [8, 12] of the label sets s0..s7, padded."""
        labels = self.arrays("labels")
        boxes, classes = np.zeros((8, 12, 4), np.float32), np.zeros((8, 12), np.int32)
        for i, name in enumerate(SETS):
            count = len(labels[f"{name}/gt_boxes"])
            boxes[i, :count] = labels[f"{name}/gt_boxes"]
            classes[i, :count] = labels[f"{name}/gt_classes"][:, 0]
        return boxes, classes

    @cached_property
    def targets(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Class targets [8, A], box targets [8, A, 4] and positives [8] of the label sets."""
        labels = self.arrays("labels")
        classes = [np.concatenate([labels[f"{s}/cls_P{level}"].reshape(-1) for level in LEVELS]) for s in SETS]
        boxes = [np.concatenate([labels[f"{s}/box_P{level}"].reshape(-1, 4) for level in LEVELS]) for s in SETS]
        return np.stack(classes), np.stack(boxes), np.array([labels[f"{s}/num_positives"] for s in SETS])


@pytest.fixture(scope="session", params=[256, 512], ids=["d0_256", "d0_512"])
def published(shared: Path, request: pytest.FixtureRequest) -> Published:
    return Published(shared / "reference" / f"d0_{request.param}", request.param)


@pytest.fixture(scope="session")
def published_256(shared: Path) -> Published:
    return Published(shared / "reference" / "d0_256", 256)
