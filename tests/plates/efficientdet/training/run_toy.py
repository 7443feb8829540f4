"""Trains the toy in a process of its own, which a test can kill or give another backend or more devices.

python run_toy.py steps one|gpus|multiworker|fit      three steps from fixed weights; prints their losses as JSON
python run_toy.py resumed FOLDER                      `train` on two logical devices, whole and stopped; prints both
python run_toy.py trained FOLDER STOP                  `train` as TF_CONFIG says, stopped after step STOP or whole (0);
                                                      with -STOP by SIGTERM
python run_toy.py killed FOLDER STEP                 `toy.train_all` in FOLDER, killing itself after STEP
python run_toy.py told FOLDER STEP                   the same, sending itself SIGTERM
python run_toy.py learn FOLDER EXAMPLES OPTIMIZER STEP   `learn`, killing itself after STEP (0: it goes on to its end)
"""

import contextlib
import json
import os
import signal
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import toy

STEPS = 3
TARGETS = ("gt_boxes", "gt_classes")


def fixed_weights(network) -> None:
    """The same numbers on every backend: kernels by He's rule, the rest as a fresh network has it."""
    for variable in network.trainable_variables:
        if variable.name.endswith("kernel"):
            random = np.random.default_rng(zlib.crc32(variable.path.encode()))
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            variable.assign(random.normal(0, fan_in**-0.5, variable.shape).astype(np.float32))


def steps(how: str) -> list:
    """[loss, class loss, box loss, positives] of three steps; `fit`: [loss] alone."""
    from plates.efficientdet.training import devices
    from plates.efficientdet.training.build import build

    if how == "gpus":
        two_devices()
    config = toy.train_config(steps=STEPS, lr_warmup_epoch=0.0, learning_rate=0.01)
    batches = [(images, {name: targets[name] for name in TARGETS}) for images, targets in toy.batches(STEPS)]
    distribution = devices.strategy(how if how in ("gpus", "multiworker") else None)
    with distribution.scope() if distribution else contextlib.nullcontext():
        detector = build(toy.spec(), config, toy.data(), STEPS, synchronized=distribution is not None)
        fixed_weights(detector.network)
    if how == "fit":
        feed = (batch for batch in batches)
        history = detector.fit(feed, steps_per_epoch=1, epochs=STEPS, verbose=0).history
        return [[loss] for loss in history["loss"]]
    feed = distribute(distribution, batches, config.batch_size) if distribution else batches
    logs = [detector.train_on_batch(*batch, return_dict=True) for batch in feed]
    return [[float(log[name]) for name in ("loss", "cls", "box", "positives")] for log in logs]


def two_devices() -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def trained(folder: Path, strategy: str, stop: int = 0) -> list:
    """[losses, sum of the absolute last weights, mAP] of `train` over five steps; [] where stopped after `stop`.

    After step -`stop` it sends itself SIGTERM.
    """
    import tensorflow as tf

    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.training import devices
    from plates.efficientdet.training.data import from_batches
    from plates.efficientdet.training.loop import train

    devices.strategy(strategy)
    images, targets = (list(part) for part in zip(*toy.batches(4), strict=True))
    columns = {name: np.concatenate([part[name] for part in targets]) for name in TARGETS}
    dataset = tf.data.Dataset.from_tensor_slices((np.concatenate(images), columns)).batch(8, drop_remainder=True)
    data = from_batches(dataset, images=32, validation=toy.batches(1), label_map={1: "plate"})
    config = toy.train_config(steps=5, checkpoint_every=2, strategy=strategy)

    def on_row(row, total):
        if row.step == stop:
            raise KeyboardInterrupt
        if row.step == -stop:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        found = train(toy.spec(), config, data, folder / "checkpoint", folder / "work", on_row=on_row)
    except KeyboardInterrupt:
        return []
    weights = saved_detector.load(found.checkpoint, saved_detector.LAST).network.get_weights()
    return [found.history["loss"].tolist(), float(sum(np.abs(weight).sum() for weight in weights)), found.best]


def resumed(folder: Path) -> list:
    """What `trained` gives on two devices, of a whole run and of one stopped after step 3."""
    two_devices()
    whole = trained(folder / "whole", "gpus")
    trained(folder / "stopped", "gpus", stop=3)
    return [whole, trained(folder / "stopped", "gpus")]


def distribute(distribution, batches, batch_size):
    import tensorflow as tf

    images = np.concatenate([images for images, _ in batches])
    targets = {name: np.concatenate([targets[name] for _, targets in batches]) for name in TARGETS}
    dataset = tf.data.Dataset.from_tensor_slices((images, targets)).batch(batch_size)
    return distribution.experimental_distribute_dataset(dataset)


def killed(folder: Path, step: int, number: int = signal.SIGKILL) -> None:
    def kill(row, total):
        if row.step == step:
            os.kill(os.getpid(), number)

    toy.train_all(folder, say=lambda line: print(line, flush=True), on_row=kill)


def learn(folder: Path, examples: Path, optimizer: str, stop: Callable[[int], None] = lambda step: None) -> Path:
    """14 steps on TFRecords with averages, augmentation and evaluations, the state saved every third; its history.

    `stop` is called after each step with its number.
    """
    from plates.efficientdet.config import AugmentConfig
    from plates.efficientdet.training.data import from_tfrecords
    from plates.efficientdet.training.loop import train

    spec, rate = toy.spec(), 0.01 if optimizer == "sgd" else 0.002
    config = toy.train_config(
        steps=14, batch_size=4, eval_every=5, checkpoint_every=3, optimizer=optimizer, learning_rate=rate
    )
    data = from_tfrecords(examples, spec, config, AugmentConfig(jitter_min=0.5, jitter_max=1.5))
    train(
        spec,
        config,
        data,
        folder / "checkpoint",
        folder / "work",
        say=str,
        on_row=lambda row, steps: stop(row.step),
        step_log=folder / "steps.csv",
    )
    return folder / "checkpoint" / "history.csv"


def learn_and_die(folder: Path, examples: Path, optimizer: str, last: int) -> None:
    def stop(step: int) -> None:
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    learn(folder, examples, optimizer, stop)


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        print(json.dumps(steps(sys.argv[2])))
    elif sys.argv[1] == "resumed":
        print(json.dumps(resumed(Path(sys.argv[2]))))
    elif sys.argv[1] == "trained":
        print(json.dumps(trained(Path(sys.argv[2]), "multiworker", int(sys.argv[3]))))
    elif sys.argv[1] == "learn":
        learn_and_die(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever started this may ignore it
        killed(Path(sys.argv[2]), int(sys.argv[3]), signal.SIGTERM if sys.argv[1] == "told" else signal.SIGKILL)
