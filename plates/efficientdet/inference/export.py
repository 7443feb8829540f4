"""The exported model: the network in the formats asked for, each of which says what it detects and how to use it.

saved_model/1  signature `serving_default`: `images` string [B] (JPEG files) to what `Predictor.from_jpegs` returns;
               `single`: `image` string [], one file, to the same without the batch dimension; `pixels`: prepared
               pictures to all anchors, as the other formats. For TensorFlow Serving, with a warm-up request
model.onnx, model.tflite, openvino/model.xml
               prepared pictures to all anchors, or to detections (`plates.efficientdet.inference.runtimes`)
export.json    `plates.efficientdet.inference.description`
hashes.json    content hash of each format: a format that was changed afterwards is not loaded
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from plates.efficientdet.checkpoints.saved_detector import SavedDetector
from plates.efficientdet.config import ExportConfig, NmsConfig
from plates.efficientdet.inference import equal_bytes, lean_onnx
from plates.efficientdet.inference.description import DESCRIPTION, Description
from plates.efficientdet.inference.nms_layer import NonMaxSuppression
from plates.efficientdet.inference.predictor import Predictor
from plates.efficientdet.inference.runtimes import FILES, Float, seal
from plates.efficientdet.inference.warmup import write_warmup
from plates.efficientdet.model import anchors
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.boxes import Tensor, deltas_to_corners, deltas_to_yxyx
from plates.efficientdet.model.family import Spec


def describe(
    detector: SavedDetector,
    nms: NmsConfig,
    config: ExportConfig,
    thresholds: Mapping[str, float] | None = None,
    checkpoint: str | None = None,
) -> Description:
    """The description of a checkpoint's exports.

    Args:
        detector: the checkpoint.
        nms: post-processing.
        config: has the lowest score that is answered.
        thresholds: scores by name that an evaluation chose to act on.
        checkpoint: content hash of the checkpoint's folder.
    """
    red, green, blue = detector.spec.mean_rgb
    return Description(
        network=detector.spec.name,
        label_map=detector.label_map,
        image_size=detector.spec.image_size,
        mean_rgb=(red, green, blue),
        score_threshold=max(nms.score_thresh, config.score_threshold),
        thresholds=dict(thresholds or {}),
        nms=detector.spec.post_processing(nms),
        nms_inside=config.nms_inside,
        mask_stride=detector.spec.mask_stride,
        checkpoint=checkpoint,
    )


def export(detector: SavedDetector, description: Description, formats: Iterable[Float], folder: Path) -> None:
    """Writes `formats` and `export.json` into `folder`, which must not exist.

    `description` goes into the files; detections under its `score_threshold` are left out by the
    SavedModel, which is all that differs from the evaluation.
    """
    folder.mkdir(parents=True)
    description.write(folder)
    for name in formats:
        target = folder / FILES[name]
        target.parent.mkdir(exist_ok=True)
        WRITERS[name](detector, description, target)
    seal(folder)


def decoded(network: keras.Model, spec: Spec) -> keras.Model:
    """The network with `boxes` [B, A, 4] yxyx in pixels of its input and `scores` [B, A, C] as outputs.

    And `corners` [B, A, 4, 2] y, x in the same pixels and `masks` of their heads.
    """
    # Keras's Normalization keeps its numbers outside the graph, where the ONNX converter makes them inputs.
    bare = networks.build(spec, normalized_input=True)
    bare.set_weights(network.get_weights())
    images = keras.Input((*spec.image_size, 3), name="images")
    outputs = bare((images - np.asarray(spec.mean_rgb, np.float32)) / np.asarray(spec.stddev_rgb, np.float32))
    return keras.Model(images, _all_anchors(outputs, spec), name=f"{spec.name}_decoded")


def _all_anchors(outputs: dict[str, Tensor], spec: Spec) -> dict[str, Tensor]:
    found = {}
    if "class" in outputs:
        found["boxes"] = deltas_to_yxyx(outputs["box"], anchors.generate(spec))
        found["scores"] = ops.sigmoid(outputs["class"])
    if "corners" in outputs:
        found["corners"] = deltas_to_corners(outputs["corners"], anchors.generate(spec))
    if "segmentation" in outputs:
        found["masks"] = ops.softmax(outputs["segmentation"])
    return found


def standalone(detector: SavedDetector, description: Description) -> keras.Model:
    """What the files hold that leave alone: `decoded`, with NMS where the description says so."""
    model = decoded(detector.network, detector.spec)
    if description.nms_inside and "object_detection" in detector.spec.heads:
        images = keras.Input((*detector.spec.image_size, 3), name="images")
        outputs = model(images)
        nms = NonMaxSuppression(description.at_threshold(), detector.spec.image_size)
        outputs |= nms(outputs["boxes"], outputs["scores"], outputs.get("corners"))
        model = keras.Model(images, outputs, name=f"{detector.spec.name}_standalone")
    model(np.zeros((1, *detector.spec.image_size, 3), np.float32))
    return model


def _saved_model(detector: SavedDetector, description: Description, target: Path) -> None:
    predictor = Predictor(detector.network, detector.spec, description.at_threshold())

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "image")])
    def single(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: value[0] for name, value in predictor.on_jpegs(image[None]).items()}

    @tf.function(input_signature=[tf.TensorSpec([None, *detector.spec.image_size, 3], tf.float32, "images")])
    def pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return _all_anchors(predictor.network(images, training=False), detector.spec)

    signatures: dict[str, Any] = {"serving_default": predictor.on_jpegs, "single": single, "pixels": pixels}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(predictor, str(target), signatures=signatures, options=options)
    equal_bytes.saved_model(target)
    write_warmup(target / "assets.extra", detector.spec.image_size)


def _onnx(detector: SavedDetector, description: Description, target: Path) -> None:
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras looks whether NumPy still has `object`
        standalone(detector, description).export(target, format="onnx", verbose=False)
    lean_onnx.simplify(target)
    equal_bytes.onnx_model(target)
    model = onnx.load(target)
    model.doc_string = f"{description.network} of plates: pictures [batch, height, width, RGB 0 to 255] to boxes"
    onnx.helper.set_model_props(model, description.fields())
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _openvino(detector: SavedDetector, description: Description, target: Path) -> None:
    import openvino

    description = description.model_copy(update={"nms_inside": False})  # OpenVINO reads no loop of ONNX with captures
    source = target.with_name("model.onnx")
    _onnx(detector, description, source)
    model = openvino.convert_model(source)
    model.set_rt_info(description.model_dump_json(), ["plates", "description"])
    openvino.save_model(model, target, compress_to_fp16=False)
    source.unlink()


def litert(detector: SavedDetector, description: Description, target: Path, **converter: Any) -> None:
    """Writes a LiteRT file, with the settings of TensorFlow's converter that are given."""
    standalone(detector, description).export(target, format="litert", verbose=False, **converter)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), description.model_dump_json())


WRITERS: dict[Float, Callable[[SavedDetector, Description, Path], None]] = {
    "saved_model": _saved_model,
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": litert,
}
