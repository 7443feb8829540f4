"""Pictures of 64 x 64 with one bright rectangle each, and a detector small enough to learn them in seconds."""

from pathlib import Path

import numpy as np

from plates.efficientdet.config import ModelConfig, TrainConfig
from plates.efficientdet.model.family import Spec, resolve
from plates.efficientdet.training.data import Data, from_batches
from plates.efficientdet.training.history import Row
from plates.efficientdet.training.loop import Result, train

SIDE = 64


def spec(**changes) -> Spec:
    settings = {
        "image_size": SIDE, "max_level": 4, "fpn_num_filters": 16, "fpn_cell_repeats": 1, "box_class_repeats": 1,
        "aspect_ratios": [1.0, 2.0], "num_scales": 2, "anchor_scale": 2.0,
    }  # fmt: skip
    return resolve(ModelConfig(**(settings | changes)), num_classes=1)


def train_config(**changes) -> TrainConfig:
    settings = {"steps": 60, "batch_size": 8, "learning_rate": 0.04, "lr_warmup_epoch": 0.5, "assignment": "iou"}
    return TrainConfig(**(settings | changes))


def batches(count: int, size: int = 8, seed: int = 0, boxes: bool = True, mask: bool = False):
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        images = random.integers(0, 60, (size, SIDE, SIDE, 3)).astype(np.uint8)
        targets = {
            "gt_boxes": np.zeros((size, 2, 4), np.float32),
            "gt_classes": np.zeros((size, 2), np.int32),
            "gt_corners": np.full((size, 2, 4, 2), np.nan, np.float32),
            "image_id": np.arange(size, dtype=np.int64) + number * size + 1,
        }
        masks = np.zeros((size, SIDE // 4, SIDE // 4), np.int32)
        for index in range(size if boxes else 0):
            height, width = random.integers(12, 24), random.integers(16, 32)
            top, left = random.integers(0, SIDE - height), random.integers(0, SIDE - width)
            images[index, top : top + height, left : left + width] = random.integers(150, 255, 3)
            bottom, right = top + height, left + width
            targets["gt_boxes"][index, 0] = top, left, bottom, right
            targets["gt_corners"][index, 0] = (bottom, right), (bottom, left), (top, left), (top, right)
            targets["gt_classes"][index, 0] = 1
            masks[index, (top + 2) // 4 : (top + height + 2) // 4, (left + 2) // 4 : (left + width + 2) // 4] = 1
        if mask:
            targets["mask"] = masks
        made.append((images, targets))
    return made


def data(count: int = 8, **kind) -> Data:
    """Validated on what it is trained on."""
    made = batches(count, **kind)
    return from_batches(made, validation=made, label_map={1: "plate"})


def train_all(folder: Path, say=lambda line: None, on_row=lambda row, steps: None) -> Result:
    """120 steps of all heads in `folder`, state saved every 4."""
    config = train_config(steps=120, eval_every=60, checkpoint_every=4)
    heads = spec(heads=["object_detection", "corners", "segmentation"])
    return train(heads, config, data(mask=True), folder / "checkpoint", folder / "work", say=say, on_row=on_row)


def row(step: int = 1, **values: float) -> Row:
    """A row of the history of a calm run."""
    calm = {"loss": 1.0, "cls": 0.5, "box": 0.01, "iou": 0.0, "seg": 0.0, "l2": 0.0, "gradient_norm": 2.0}
    counts = {"positives": 5.0, "boxes": 1.0, "ignored": 0.0, "learning_rate": 0.01}
    return Row(step=step, **(calm | counts | values))
