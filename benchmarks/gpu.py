"""Training and inference of D0@512, D1@640 and D4@1024 in bfloat16 on a GPU, against its measured peak.

    [KERAS_BACKEND=jax] python benchmarks/gpu.py [--tiny] [CASE ...]

Needs the checkout, Keras and JAX or TensorFlow; under ten minutes on a data-centre card. If PyTorch and `effdet` are
installed, effdet's training step is timed too. `--tiny` is a try on a CPU. Anchor: NVIDIA's EfficientDet-D0 trains 397
images/s on one A100 in mixed precision (NVIDIA/DeepLearningExamples).

Share of peak: 3 forward passes of multiply-adds (2 FLOPs each) for every trained image, over the rate of a large
bfloat16 matrix product on the same card.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
CLASSES = 90
CASES = {
    "d0 512, batch 64": ("efficientdet-d0", 512, 64, "bfloat16"),
    "d1 640, batch 32": ("efficientdet-d1", 640, 32, "bfloat16"),
    "d4 1024, batch 8": ("efficientdet-d4", 1024, 8, "bfloat16"),
}
TINY = {"tiny 96x64, batch 2": ("efficientdet-tiny", "96x64", 2, None)}


def measure(name: str, size: int | str, batch: int, precision: str | None, seconds: float) -> dict[str, float]:
    """Images per second of training and inference, start-up and memory of one case."""
    import keras
    import numpy as np

    from plates.efficientdet.config import ModelConfig, TrainConfig
    from plates.efficientdet.model.family import resolve
    from plates.efficientdet.model.models_table import count
    from plates.efficientdet.training import devices
    from plates.efficientdet.training.build import build

    spec = resolve(ModelConfig(name=name, image_size=size), num_classes=CLASSES)
    images, targets = random_batch(np.random.default_rng(0), batch, spec.image_size)
    started = time.perf_counter()
    devices.skip_graph_optimisation()
    train = TrainConfig(batch_size=batch, optimizer="sgd", learning_rate=0.008)
    with devices.precision(precision):
        detector = build(spec, train, _Counts(batch * 100), 1000)
    loss = float(detector.train_on_batch(images, targets, return_dict=True)["loss"])
    start_up = time.perf_counter() - started
    if not np.isfinite(loss):
        raise SystemExit(f"error: {name}: the loss of the first step is {loss}")
    trained = rate(lambda: detector.train_on_batch(images, targets), batch, seconds)
    detector.predict_on_batch(images)
    answered = rate(lambda: detector.predict_on_batch(images), batch, seconds)
    flops = 2 * count(spec).multiply_adds
    found = {"train images/s": trained, "inference images/s": answered, "start-up s": start_up, "memory MiB": memory()}
    return found | {"train TFLOP/s": 3 * flops * trained / 1e12, "backend": keras.backend.backend()}


def random_batch(random: Any, batch: int, size: tuple[int, int]) -> tuple[Any, dict[str, Any]]:
    """Pictures of noise with 8 boxes each."""
    import numpy as np

    images = random.integers(0, 255, (batch, *size, 3)).astype(np.uint8)
    low = random.uniform(0, min(size) / 2, (batch, 8, 2))
    boxes = np.concatenate([low, low + random.uniform(8, min(size) / 2, (batch, 8, 2))], axis=-1).astype(np.float32)
    return images, {"gt_boxes": boxes, "gt_classes": random.integers(1, CLASSES + 1, (batch, 8)).astype(np.int32)}


class _Counts:
    """What `build` asks of the data."""

    def __init__(self, images: int) -> None:
        self.images, self.class_counts, self.size = images, (), None


def rate(work: Callable[[], Any], batch: int, seconds: float) -> float:
    """Images per second of repeated `work`, after three calls to warm up."""
    for _ in range(3):
        work()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        calls += 1
    return calls * batch / (time.perf_counter() - began)


def peak(side: int, seconds: float) -> float:
    """TFLOP/s of a bfloat16 matrix product of `side`."""
    import keras
    from keras import ops

    a = ops.cast(keras.random.normal((side, side)), "bfloat16")

    def work() -> None:
        product = a
        for _ in range(8):
            product = ops.matmul(product, a)
        ops.convert_to_numpy(product[:1, :1])

    return rate(work, 8, seconds) * 2 * side**3 / 1e12


def memory() -> float:
    """Most memory that the device has held, in MiB; 0 if it does not say."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 2**20
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20 if cards else 0.0


def effdet(size: int, batch: int, seconds: float) -> float | None:
    """Training images/s of PyTorch's `effdet` D0 in bfloat16 on the card; None if it is not installed."""
    if importlib.util.find_spec("effdet") is None or importlib.util.find_spec("torch") is None:
        return None
    import torch
    from effdet import create_model

    model = create_model("tf_efficientdet_d0", bench_task="train", num_classes=CLASSES, pretrained=False).cuda().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    images = torch.randn(batch, 3, size, size, device="cuda")
    boxes = [torch.tensor([[10.0, 10.0, 90.0, 120.0]], device="cuda") for _ in range(batch)]
    target = {"bbox": boxes, "cls": [torch.ones(1, device="cuda") for _ in range(batch)]}

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(images, target)["loss"]
        loss.backward()
        optimizer.step()
        torch.cuda.synchronize()

    return rate(step, batch, seconds)


def main() -> None:
    """Prints the table and writes `results/gpu.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--tiny", action="store_true", help="small sizes, for a try on a CPU")
    arguments = parser.parse_args()
    cases, seconds, side = (TINY, 1.0, 256) if arguments.tiny else (CASES, 15.0, 8192)
    most = peak(side, seconds / 5)
    print(f"bfloat16 matrix product: {most:.3g} TFLOP/s\n")
    print(f"{'':22} {'train/s':>9} {'infer/s':>9} {'of peak':>8} {'MiB':>8} {'start s':>8}", flush=True)
    figures: dict[str, Any] = {"peak": {"TFLOP/s": most}}
    for name in arguments.case or cases:
        row = measure(*cases[name], seconds)
        share = row["train TFLOP/s"] / most
        print(
            f"{name:22} {row['train images/s']:9.1f} {row['inference images/s']:9.1f} {share:8.1%} "
            f"{row['memory MiB']:8.0f} {row['start-up s']:8.1f}",
            flush=True,
        )
        figures[name] = row | {"share of peak": share}
    if not arguments.tiny and (other := effdet(512, 64, seconds)) is not None:
        print(f"{'effdet d0 512':22} {other:9.1f}")
        figures["effdet d0 512, batch 64"] = {"train images/s": other}
    if not arguments.tiny:
        from plates.files import write_json

        write_json(Path(__file__).parent / "results" / "gpu.json", {"figures": figures})


if __name__ == "__main__":
    main()
