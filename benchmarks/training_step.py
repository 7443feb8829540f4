"""A training step: CPU time, images per second, peak memory, and how long the first one takes to start.

    python benchmarks/training_step.py [CASE ...]

The reference (google/automl, TF 2.15) on 2 such cores with nothing else running, float32, 90 classes: D0 at 256, batch
8: 11.4 images/s, 1.29 s CPU a step, 3.3 GB; D0 at 512, batch 4: 2.57 s CPU a step, 5.0 GB. Target: 1.3 times as fast in
CPU time.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from measure import least, machine, measured

from pipelines.repro import environment
from plates.files import write_json

os.environ.update(environment() | {"TF_CPP_MIN_LOG_LEVEL": "3"})
sys.modules["jax"] = None  # type: ignore[assignment] # TensorFlow would load what only our tests install
STEPS, REPEATS = 8, 5
CASES = {
    "tiny 240x384, batch 8": ("efficientdet-tiny", "240x384", 8, 1, None),
    "d0 256, batch 8": ("efficientdet-d0", 256, 8, 90, 1.29),
    "d0 512, batch 4": ("efficientdet-d0", 512, 4, 90, 2.57),
}


def stepping(name: str, size: str | int, batch: int, classes: int, reference: float | None) -> dict[str, float]:
    """Steps on one random batch, matching of anchors inside."""
    from plates.efficientdet.config import ModelConfig, TrainConfig
    from plates.efficientdet.model.family import resolve
    from plates.efficientdet.training import devices
    from plates.efficientdet.training.build import build
    from plates.efficientdet.training.data import Data

    started = time.perf_counter()
    devices.skip_graph_optimisation()
    spec = resolve(ModelConfig(name=name, image_size=size), num_classes=classes)
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (batch, *spec.image_size, 3)).astype(np.uint8)
    low = random.uniform(0, min(spec.image_size) / 2, (batch, 20, 2))
    boxes = np.concatenate([low, low + random.uniform(16, min(spec.image_size) / 2, (batch, 20, 2))], axis=-1)
    labels = random.integers(1, classes + 1, (batch, 20)).astype(np.int32)
    targets = {"gt_boxes": boxes.astype(np.float32), "gt_classes": labels}
    train = TrainConfig(batch_size=batch, optimizer="sgd", learning_rate=0.008)
    detector = build(spec, train, Data(lambda start: [], images=batch * 100), 1000)
    detector.train_on_batch(images, targets)
    start_up = time.perf_counter() - started
    detector.train_on_batch(images, targets)
    return {
        **least(lambda: detector.train_on_batch(images, targets), STEPS, REPEATS),
        "images": STEPS * batch,
        "start_up": start_up,
    }


def main(*names: str) -> None:
    rows = {name: measured(stepping, *CASES[name]) for name in names or CASES}
    print(f"{'':24} {'images/s':>9} {'CPU s/step':>11} {'reference':>10} {'times':>6} {'MiB':>6} {'start s':>8}")
    for name, row in rows.items():
        cpu, reference = row["cpu_seconds"] / row["count"], CASES[name][-1]
        known = f"{reference:10.2f} {reference / cpu:6.2f}" if reference else f"{'':17}"
        print(
            f"{name:24} {row['images'] / row['seconds']:9.1f} {cpu:11.2f} {known} {row['peak_mib']:6.0f} "
            f"{row['start_up']:8.1f}"
        )
    write_json(Path(__file__).parent / "results" / "training_step.json", {"machine": machine(), "figures": rows})


if __name__ == "__main__":
    main(*sys.argv[1:])
