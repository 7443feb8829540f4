"""A RetinaNet of KerasHub, from random weights on the project's TFRecords, compared with the project's own model.

Run:     python recipes/retinanet.py, in a project after plates run and pip install keras-hub; then
         plates compare models/export/model build/retinanet/model.onnx
Machine: 2 cores, no GPU, shared with other work
Time:    17 minutes of CPU time for 300 steps (KerasHub 0.32)
Score:   mAP 0.324, mAP50 0.825, mAP75 0.088 on the sample's 158 test scenes, one seed (docs/compare.md)
"""

import json
import math
from pathlib import Path

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from plates.efficientdet.data.batches import training_batches
from plates.efficientdet.data.samples import Pictures
from plates.efficientdet.data.tfrecords import read_manifest
from plates.settings.project import Project

STEPS, BATCH, RATE = 300, 8, 1e-3
PRIOR = 0.01
TARGET = Path("build/retinanet/model.onnx")


def main() -> None:
    """Trains, and writes the ONNX file with the adapter that says how to use it."""
    project = Project.find()
    label_map = read_manifest(project.path("data/tfrecords")).label_map
    fitted = json.loads(project.path("data/anchors.json").read_text(encoding="utf-8"))
    size = tuple(-(-side // 32) * 32 for side in fitted["image_size"])  # its pyramid halves five times
    detector = network(size, len(label_map), fitted)
    rate = keras.optimizers.schedules.CosineDecay(0.0, STEPS, warmup_target=RATE, warmup_steps=STEPS // 10)
    detector.compile(optimizer=keras.optimizers.AdamW(rate, clipnorm=1.0))
    batches = training_batches(
        project.path("data/tfrecords"), Pictures(size), BATCH, project.params.augment, seed=project.params.train.seed
    )
    detector.fit(batches.map(as_keras_hub), steps_per_epoch=STEPS, verbose=2)
    write(detector, size, label_map)


def network(size: tuple[int, ...], num_classes: int, fitted: dict) -> keras_hub.models.RetinaNetObjectDetector:
    """A small RetinaNet with the anchors that the project fitted."""
    levels = {"min_level": min(fitted["levels"]), "max_level": max(fitted["levels"])}
    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 128, 256],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        image_shape=(*size, 3),
    )
    backbone = keras_hub.models.RetinaNetBackbone(encoder, **levels, use_p5=False, image_shape=(*size, 3))
    anchors = keras_hub.layers.AnchorGenerator(
        "yxyx",
        **levels,
        num_scales=fitted["num_scales"],
        aspect_ratios=[1 / ratio for ratio in fitted["aspect_ratios"]],  # there: height over width
        anchor_size=fitted["anchor_scale"],
    )
    detector = keras_hub.models.RetinaNetObjectDetector(
        backbone, num_classes, "yxyx", anchor_generator=anchors, pre_logits_num_conv_layers=1
    )
    # KerasHub 0.32 starts the boxes, not the classes, at the focal loss's prior; no short run unlearns that.
    classes, boxes = (head.prediction_layer.bias for head in (detector.classification_head, detector.box_head))
    classes.assign(keras.ops.full_like(classes, math.log(PRIOR / (1 - PRIOR))))
    boxes.assign(keras.ops.zeros_like(boxes))
    return detector


def as_keras_hub(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Pixels from -1 to 1, and labels from 0 with -1 for padding, crowds and boxes that are too small."""
    real = batch["gt_classes"] > 0
    labels = tf.where(real, batch["gt_classes"] - 1, -1)
    boxes = tf.where(real[..., None], batch["gt_boxes"], -1.0)
    return tf.cast(batch["images"], tf.float32) / 127.5 - 1, {"boxes": boxes, "labels": tf.cast(labels, tf.float32)}


def write(detector: keras_hub.models.RetinaNetObjectDetector, size: tuple[int, ...], label_map: dict[int, str]) -> None:
    """The network with its boxes decoded, and the adapter of docs/compare.md."""
    levels = detector.anchor_generator(keras.ops.zeros((1, *size, 3))).values()
    anchors = np.concatenate([keras.ops.convert_to_numpy(level) for level in levels])
    low, high = anchors[:, [1, 0]], anchors[:, [3, 2]]  # x before y
    sides, centres = high - low, (low + high) / 2
    moved, grown = keras.ops.split(detector.output["bbox_regression"], 2, axis=-1)
    boxes = keras.ops.concatenate([moved * sides + centres, keras.ops.exp(grown) * sides], axis=-1)
    scores = keras.ops.sigmoid(detector.output["cls_logits"])
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    answering = keras.Model(detector.input, {"boxes": boxes, "scores": scores})
    answering(keras.ops.zeros((1, *size, 3)))  # Keras exports what was called once
    answering.export(TARGET, format="onnx", verbose=False)
    adapter = {"label_map": label_map, "boxes": "boxes", "scores": "scores", "form": "cxcywh"}
    adapter |= {"divide_by": 127.5, "mean": [1, 1, 1], "fill": [124, 116, 104]}
    TARGET.with_suffix(".json").write_text(json.dumps(adapter), encoding="utf-8")
    print(f"{TARGET} and {TARGET.with_suffix('.json')}: plates compare models/export/model {TARGET}")


if __name__ == "__main__":
    main()
