"""Trains the toy in a process of its own, which a test can kill or give another backend or more devices.

    python run_toy.py steps none|gpus|multiworker|fit     three steps from fixed weights; prints their losses as JSON
    python run_toy.py killed FOLDER STEP                  a run in FOLDER that kills itself after STEP
"""

import json
import os
import signal
import sys
import zlib
from pathlib import Path

import numpy as np
import toy

GLOBAL_BATCHES = 3


def fixed_weights(network) -> None:
    """The same numbers on every backend: kernels by He's rule, the rest as a fresh network has it."""
    for variable in network.trainable_variables:
        if variable.name.endswith("kernel"):
            random = np.random.default_rng(zlib.crc32(variable.path.encode()))
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            variable.assign(random.normal(0, fan_in**-0.5, variable.shape).astype(np.float32))


def steps(strategy: str) -> list[float]:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from efficientdet import devices
    from efficientdet.training import build

    config = toy.train_config(steps=GLOBAL_BATCHES, lr_warmup_epoch=0.0, learning_rate=0.01)
    batches = [(images, {k: t[k] for k in ("gt_boxes", "gt_classes")}) for images, t in toy.batches(GLOBAL_BATCHES)]
    if strategy in ("gpus", "multiworker"):
        distribution = devices.strategy(strategy)
        with distribution.scope():
            detector = build(toy.spec(), config, toy.data(), config.steps, synchronized=True)
            fixed_weights(detector.network)
        stacked = [np.concatenate([images for images, _ in batches])]
        targets = {k: np.concatenate([t[k] for _, t in batches]) for k in ("gt_boxes", "gt_classes")}
        dataset = tf.data.Dataset.from_tensor_slices((stacked[0], targets)).batch(config.batch_size)
        feed = distribution.experimental_distribute_dataset(dataset)
        logs = [detector.train_on_batch(*batch, return_dict=True) for batch in feed]
    else:
        detector = build(toy.spec(), config, toy.data(), config.steps)
        fixed_weights(detector.network)
        if strategy == "fit":
            history = detector.fit((batch for batch in batches), steps_per_epoch=1, epochs=GLOBAL_BATCHES, verbose=0).history
            return history["loss"]
        logs = [detector.train_on_batch(*batch, return_dict=True) for batch in batches]
    return [[float(log[name]) for name in ("loss", "cls", "box", "positives")] for log in logs]


def killed(folder: Path, step: int) -> None:
    from efficientdet.training import train

    def kill(row, total):
        if row.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    train(toy.spec(), toy.train_config(steps=12, checkpoint_every=4, eval_every=6), toy.data(), folder / "checkpoint", folder / "work", on_row=kill)


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        print(json.dumps(steps(sys.argv[2])))
    else:
        killed(Path(sys.argv[2]), int(sys.argv[3]))
