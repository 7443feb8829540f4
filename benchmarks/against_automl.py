"""This project and google/automl on the same machine, in turn (A B A B): CPU time and wall time.

    python benchmarks/against_automl.py --automl PATH [--rounds N] [CASE ...]

PATH is a checkout of https://github.com/google/automl, of which nothing is copied here. An environment with TensorFlow
2.15 is made for it at the first call, in the folder for temporary files or at --environment. Each measurement is a
process of its own; start-up and the first three calls are not counted in times, and memory is the process's peak.
Weights are random: NMS runs, at a score of 0.3.
FORMAT=openvino in the environment measures that export instead of ONNX.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import save

from pipelines import repro

HERE = Path(__file__).resolve().parent
NEEDS = (
    *("tensorflow-cpu==2.15.*", "tensorflow-hub", "tf_keras<2.16", "neural-structured-learning", "numpy<2"),
    *("pycocotools", "pyyaml", "lxml", "pillow", "matplotlib", "six"),
)
CLASSES = 90
FORMAT = os.environ.get("FORMAT", "onnx")
PICTURE = (1160, 720)
CASES: dict[str, tuple[str, list[Any], int]] = {
    "step of D0 at 256, batch 8": ("step", ["efficientdet-d0", 256, 8, CLASSES], 8),
    "step of D0 at 512, batch 4": ("step", ["efficientdet-d0", 512, 4, CLASSES], 8),
    "picture to boxes, D0 at 512": ("answer", ["efficientdet-d0", 512, PICTURE, CLASSES], 20),
    "picture to boxes, D1 at 640": ("answer", ["efficientdet-d1", 640, PICTURE, CLASSES], 20),
}


def stepping(name: str, size: int, batch: int, classes: int) -> Callable[[], Any]:
    """A training step on a random batch, matching of anchors inside, without averaged weights."""
    from plates.efficientdet.config import ModelConfig, TrainConfig
    from plates.efficientdet.model.family import resolve
    from plates.efficientdet.training import devices
    from plates.efficientdet.training.build import build
    from plates.efficientdet.training.data import Data

    devices.skip_graph_optimisation()
    spec = resolve(ModelConfig(name=name, image_size=size), num_classes=classes)
    random = np.random.default_rng(0)
    low = random.uniform(0, size / 2, (batch, 20, 2))
    boxes = np.concatenate([low, low + random.uniform(16, size / 2, (batch, 20, 2))], axis=-1)
    images = random.integers(0, 255, (batch, size, size, 3)).astype(np.uint8)
    labels = random.integers(1, classes + 1, (batch, 20)).astype(np.int32)
    targets = {"gt_boxes": boxes.astype(np.float32), "gt_classes": labels}
    train = TrainConfig(batch_size=batch, optimizer="sgd", learning_rate=0.008, moving_average_decay=0)
    detector = build(spec, train, Data(lambda start: [], images=batch * 100), 1000)
    return lambda: detector.train_on_batch(images, targets)


def answering(name: str, size: int, picture: tuple[int, int], classes: int) -> Callable[[], Any]:
    """A decoded picture to its boxes, by the exported file of `FORMAT`."""
    import plates
    from plates.efficientdet.checkpoints.saved_detector import SavedDetector
    from plates.efficientdet.config import ExportConfig, ModelConfig, NmsConfig
    from plates.efficientdet.inference.export import describe, export
    from plates.efficientdet.model import network
    from plates.efficientdet.model.family import resolve

    spec = resolve(ModelConfig(name=name, image_size=size), num_classes=classes)
    labels = {number: str(number) for number in range(1, classes + 1)}
    detector = SavedDetector(network.build(spec), spec, labels, {})
    folder = Path(tempfile.mkdtemp(), "model")
    export(detector, describe(detector, NmsConfig(), ExportConfig()), [FORMAT], folder)
    model = plates.load(folder)
    pixels = np.random.default_rng(0).integers(0, 255, (*picture, 3)).astype(np.uint8)
    return lambda: model.predict(pixels, score=0.3)


def environment(folder: Path) -> Path:
    """The Python of an environment with TensorFlow 2.15, made where it is not there."""
    python, made = folder / "bin/python", folder / "made"
    if not made.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS], check=True)
        made.touch()
    return python


def measured(
    command: list[Any], folder: Path, variables: dict[str, str], case: tuple[str, list[Any], int]
) -> dict[str, float]:
    """What a process prints of a case."""
    kind, arguments, count = case
    asked = json.dumps({"kind": kind, "arguments": arguments, "count": count})
    quiet = {**variables, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(folder)}
    done = subprocess.run([*command, asked], cwd=folder, env=quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {command[-1]} ended with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--automl", type=Path, required=True, help="checkout of google/automl")
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir(), "automl-tensorflow-2.15"))
    parser.add_argument("--rounds", type=int, default=2, help="how often each side is measured")
    parser.add_argument("cases", nargs="*", metavar="CASE", default=list(CASES), help=", ".join(CASES))
    given = parser.parse_args()
    reference = given.automl.resolve() / "efficientdet"
    if not (reference / "tf2/train_lib.py").is_file():
        parser.error(f"no google/automl at {given.automl}: efficientdet/tf2/train_lib.py is missing")
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    theirs = [environment(given.environment), "-P", HERE / "_automl.py"], reference, dict(os.environ)
    ours = [sys.executable, HERE / "against_automl.py", "--ours"], HERE.parent, repro.environment()
    rows: dict[str, dict[str, float]] = {}
    print(
        f"{'':30} {'ours, ms':>9} {'CPU ms':>8} {'MiB':>6} {'theirs, ms':>11} {'CPU ms':>8} {'MiB':>6} "
        f"{'times':>6} {'of CPU':>7} {'memory':>7}"
    )
    for name in given.cases:
        both = [[measured(*side, CASES[name]) for side in (ours, theirs)] for _ in range(given.rounds)]
        least = [{key: min(pair[side][key] for pair in both) for key in both[0][0]} for side in (0, 1)]
        rows |= {f"{name}, {side}": figures for side, figures in zip(("ours", "theirs"), least, strict=True)}
        (ours_ms, ours_cpu, ours_mib), (theirs_ms, theirs_cpu, theirs_mib) = (
            [1000 * figures["seconds"], 1000 * figures["cpu_seconds"], figures["peak_mib"]] for figures in least
        )
        print(
            f"{name:30} {ours_ms:9.1f} {ours_cpu:8.1f} {ours_mib:6.0f} {theirs_ms:11.1f} {theirs_cpu:8.1f} "
            f"{theirs_mib:6.0f} {theirs_ms / ours_ms:6.2f} {theirs_cpu / ours_cpu:7.2f} {ours_mib / theirs_mib:7.2f}",
            flush=True,
        )
    save("against_automl", rows)


if __name__ == "__main__":
    if sys.argv[1] == "--ours":
        from measure import repeated

        sys.modules["jax"] = None  # type: ignore[assignment] # TensorFlow would load what only our tests install
        asked = json.loads(sys.argv[2])
        work = {"step": stepping, "answer": answering}[asked["kind"]](*asked["arguments"])
        print(json.dumps(repeated(work, asked["count"])))
    else:
        main()
