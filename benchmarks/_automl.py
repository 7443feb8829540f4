"""The side of google/automl in `against_automl.py`: run by an environment with TensorFlow 2.15, in its own folder.

It measures what `against_automl.py` measures of this project, and prints the same JSON.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import hparams_config
import numpy as np
import tensorflow as tf
import utils
from tf2 import anchors, efficientdet_keras, train, train_lib


def stepping(name: str, size: int, batch: int, classes: int) -> Callable[[], Any]:
    """A training step on a random batch, matching of anchors inside."""
    config = _config(name, size, classes, batch_size=batch, moving_average_decay=0)
    model = train.setup_model(train_lib.EfficientDetNetTrain(config=config), config)
    levels = range(config.min_level, config.max_level + 1)
    places = anchors.Anchors(
        config.min_level, config.max_level, config.num_scales, config.aspect_ratios, config.anchor_scale, size
    )
    labeler = anchors.AnchorLabeler(places, classes)
    random = np.random.default_rng(0)
    low = random.uniform(0, size / 2, (batch, 20, 2))
    boxes = np.concatenate([low, low + random.uniform(16, size / 2, (batch, 20, 2))], axis=-1)
    images = tf.constant(random.normal(size=(batch, size, size, 3)), tf.float32)
    given = tf.constant(boxes, tf.float32), tf.constant(random.integers(1, classes + 1, (batch, 20, 1)), tf.float32)

    @tf.function
    def step(images: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> Any:
        found = [labeler.label_anchors(boxes[index], labels[index]) for index in range(batch)]
        targets = {f"cls_targets_{level}": tf.stack([one[0][level] for one in found]) for level in levels}
        targets |= {f"box_targets_{level}": tf.stack([one[1][level] for one in found]) for level in levels}
        positives = tf.reduce_mean(tf.stack([one[2] for one in found]))
        targets["mean_num_positives"] = tf.fill([batch, 1], positives)
        return model.train_step((images, targets))["loss"]

    return lambda: step(images, *given).numpy()


def answering(name: str, size: int, picture: tuple[int, int], classes: int) -> Callable[[], Any]:
    """A decoded picture to its boxes."""
    config = _config(name, size, classes)
    config.nms_configs.score_thresh = 0.3
    model = efficientdet_keras.EfficientDetModel(config=config)
    model.build((1, *picture, 3))
    answer = tf.function(lambda images: model(images, training=False, pre_mode="infer", post_mode="global"))
    pixels = np.random.default_rng(0).integers(0, 255, (1, *picture, 3)).astype(np.uint8)
    return lambda: answer(tf.constant(pixels))[0].numpy()


def _config(name: str, size: int, classes: int, **others: Any) -> Any:
    config = hparams_config.get_detection_config(name)
    fixed = {"steps_per_execution": 1, "steps_per_epoch": 1000, "model_dir": tempfile.mkdtemp(), "strategy": "cpu"}
    config.override({"image_size": size, "num_classes": classes, **fixed, **others}, True)
    config.image_size = utils.parse_image_size(config.image_size)
    return config


def timed(work: Callable[[], Any], count: int) -> dict[str, float]:
    """Wall and CPU seconds of one of `count` calls, after three that are not counted; the process's peak memory."""
    for _ in range(3):
        work()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        work()
    seconds, cpu_seconds = (time.perf_counter() - began) / count, (time.process_time() - cpu) / count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    work = {"step": stepping, "answer": answering}[asked["kind"]](*asked["arguments"])
    print(json.dumps(timed(work, asked["count"])))
