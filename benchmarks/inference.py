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
FILES = {"onnx": "model.onnx", "litert": "model.tflite"}


def exporting(name: str, classes: int, reference: float | None, folder: Path) -> None:
    """Writes the files of a variant with fresh weights."""
    model = _model(name, classes)
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    for form, file in FILES.items():
        model.export(folder / file, format=form, verbose=False)


def answering(name: str, classes: int, reference: float | None, folder: Path, form: str) -> dict[str, float]:
    """Runs of one format after a warm-up: a prepared picture to all boxes and scores, before NMS."""
    from plates.efficientdet.config import ModelConfig
    from plates.efficientdet.model.family import resolve

    size = resolve(ModelConfig(name=name), num_classes=classes).image_size
    pixels = np.random.default_rng(0).integers(0, 255, (1, *size, 3)).astype(np.float32)
    run = _runner(form, folder, lambda: _model(name, classes), pixels)
    for _ in range(3):
        run()
    return least(run, RUNS, REPEATS)


def _model(name: str, classes: int) -> Any:
    from plates.efficientdet.config import ModelConfig
    from plates.efficientdet.inference.export import decoded
    from plates.efficientdet.model import network
    from plates.efficientdet.model.family import resolve

    spec = resolve(ModelConfig(name=name), num_classes=classes)
    return decoded(network.build(spec), spec)


def _runner(form: str, folder: Path, build: Callable[[], Any], pixels: np.ndarray) -> Callable[[], Any]:
    if form == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(folder / FILES[form]), options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {session.get_inputs()[0].name: pixels})
    import tensorflow as tf

    if form == "keras":
        model = build()
        traced = tf.function(lambda images: model(images, training=False))
        return lambda: traced(tf.constant(pixels))
    interpreter = tf.lite.Interpreter(str(folder / FILES[form]), num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    return lambda: runner(**{name: pixels})


def main(*names: str) -> None:
    rows: dict[str, dict[str, float]] = {}
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            measured(exporting, *CASES[name], Path(folder))
            for form in ("keras", *FILES):
                rows[f"{name}, {form}"] = measured(answering, *CASES[name], Path(folder), form)
    print(f"{'':24} {'ms':>8} {'CPU ms':>8} {'reference':>10} {'times':>6} {'MiB':>6}")
    for label, row in rows.items():
        seconds, reference = row["seconds"] / row["count"], CASES[label.rsplit(",", 1)[0]][-1]
        known = f"{reference * 1e3:10.0f} {reference / seconds:6.2f}" if reference else f"{'':17}"
        cpu = row["cpu_seconds"] / row["count"]
        print(f"{label:24} {seconds * 1e3:8.1f} {cpu * 1e3:8.1f} {known} {row['peak_mib']:6.0f}")
    write_json(Path(__file__).parent / "results" / "inference.json", {"machine": machine(), "figures": rows})


if __name__ == "__main__":
    main(*sys.argv[1:])
