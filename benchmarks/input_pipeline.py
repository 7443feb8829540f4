"""The input pipeline for training: images per second, CPU time an image, peak memory.

    python benchmarks/input_pipeline.py [IMAGES]

The reference, 720x1160 photographs, jitter 0.1-2.0 and mirroring: 19.5 ms CPU an image at 512, 31 ms at 1024 (its
figures include matching the anchors, which runs in the training step here). Targets: a sixth and a quarter.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from measure import measured, save, table
from trees import make_tree

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data.tfrecords import write
from plates.photographs.content import Photographs

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
COCO = {"jitter_min": 0.1, "jitter_max": 2.0}
CASES = {
    "512": ((512, 512), 0, COCO),
    "1024": ((1024, 1024), 0, COCO),
    "512, jitter 0.8-1.2": ((512, 512), 0, {"jitter_min": 0.8, "jitter_max": 1.2}),
    "384x240, jitter 0.8-1.2": ((384, 240), 0, {"jitter_min": 0.8, "jitter_max": 1.2}),
    "384x240, cached": ((384, 240), 4096, {}),
    "512, policy v0": ((512, 512), 0, {**COCO, "autoaugment_policy": "v0"}),
    "512, randaug": ((512, 512), 0, {**COCO, "autoaugment_policy": "randaug"}),
}


def reading(folder: Path, size: tuple[int, int], cache_mib: int, augment: dict, images: int) -> dict[str, float]:
    """Batches of 8 after a warm-up that covers tracing and, if there is one, filling the cache."""
    from plates.efficientdet.data.batches import Pictures, training_batches

    batches = iter(training_batches(folder, Pictures(size), 8, AugmentConfig(**augment), cache_mib=cache_mib))
    for _ in range(images // 8 if cache_mib else 8):
        next(batches)
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(images // 8):
        next(batches)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "count": images // 8 * 8}


def main(images: int = 600) -> None:
    with tempfile.TemporaryDirectory() as base:
        root, folder = Path(base, "root"), Path(base, "records")
        boxes, splits = make_tree(root, images)
        write(boxes, splits.assign(split="train"), {1: "license_plate"}, Photographs(root), folder)
        rows = {name: measured(reading, folder, *case, images) for name, case in CASES.items()}
    table(rows, "images")
    save("input_pipeline", rows)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
