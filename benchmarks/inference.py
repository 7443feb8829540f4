"""The network on one picture, in every format: milliseconds, CPU milliseconds, peak memory.

    python benchmarks/inference.py [CASE ...]

The reference (google/automl, TF 2.15) on 2 such cores with nothing else running, float32: D0 at 512 82 ms (141 ms CPU),
D1 at 640 163 ms (289 ms CPU). Target: two thirds of it in the best format.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import least, machine, measured

from plates.files import write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
RUNS, REPEATS = 20, 5
CASES = {
    "tiny 240x384": ("efficientdet-tiny", 1, None),
    "d0 512": ("efficientdet-d0", 90, 0.082),
    "d1 640": ("efficientdet-d1", 90, 0.163),
}
FORMATS = ("onnx", "openvino", "litert")


def exporting(name: str, classes: int, reference: float | None, folder: Path) -> None:
    """Writes the files of a variant with fresh weights."""
    from plates.efficientdet.config import ExportConfig, NmsConfig
    from plates.efficientdet.inference.export import describe, export

    detector = _detector(name, classes)
    export(detector, describe(detector, NmsConfig(), ExportConfig()), FORMATS, folder)


def answering(name: str, classes: int, reference: float | None, folder: Path, form: str) -> dict[str, float]:
    """Runs of one format after a warm-up: a prepared picture to all boxes and scores, before NMS."""
    from plates.efficientdet.inference.description import Description
    from plates.efficientdet.inference.runtimes import open_network

    size = Description.read(folder).image_size
    pixels = np.random.default_rng(0).integers(0, 255, (1, *size, 3)).astype(np.float32)
    answer = _keras(name, classes) if form == "keras" else open_network(folder, form).run
    for _ in range(3):
        answer(pixels)
    return least(lambda: answer(pixels), RUNS, REPEATS)


def _detector(name: str, classes: int) -> Any:
    from plates.efficientdet.checkpoints.saved_detector import SavedDetector
    from plates.efficientdet.config import ModelConfig
    from plates.efficientdet.model import network
    from plates.efficientdet.model.family import resolve

    spec = resolve(ModelConfig(name=name), num_classes=classes)
    return SavedDetector(network.build(spec), spec, {number: str(number) for number in range(1, classes + 1)}, {})


def _keras(name: str, classes: int) -> Callable[[np.ndarray], Any]:
    import tensorflow as tf

    from plates.efficientdet.inference.export import decoded

    detector = _detector(name, classes)
    model = decoded(detector.network, detector.spec)
    traced = tf.function(lambda images: model(images, training=False))
    return lambda pixels: traced(tf.constant(pixels))


def main(*names: str) -> None:
    rows: dict[str, dict[str, float]] = {}
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder, "model")
            measured(exporting, *CASES[name], files)
            for form in ("keras", *FORMATS):
                rows[f"{name}, {form}"] = measured(answering, *CASES[name], files, form)
    print(f"{'':24} {'ms':>8} {'CPU ms':>8} {'reference':>10} {'times':>6} {'MiB':>6}")
    for label, row in rows.items():
        seconds, reference = row["seconds"] / row["count"], CASES[label.rsplit(",", 1)[0]][-1]
        known = f"{reference * 1e3:10.0f} {reference / seconds:6.2f}" if reference else f"{'':17}"
        cpu = row["cpu_seconds"] / row["count"]
        print(f"{label:24} {seconds * 1e3:8.1f} {cpu * 1e3:8.1f} {known} {row['peak_mib']:6.0f}")
    write_json(Path(__file__).parent / "results" / "inference.json", {"machine": machine(), "figures": rows})


if __name__ == "__main__":
    main(*sys.argv[1:])
