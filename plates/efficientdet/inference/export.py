"""The model to take away: a SavedModel from JPEG bytes to boxes, and the network as ONNX and LiteRT.

    saved_model/   signature `serving_default`: `images` string [B] (JPEG files) to what `Predictor.from_jpegs` returns;
                   signature `single`: `image` string [], one file, to the same without the batch dimension
    model.onnx     `images` float32 [B, H, W, 3], RGB 0 to 255 of the network's size, to `boxes` float32 [B, A, 4]
    model.tflite   (yxyx in pixels of that size) and `scores` float32 [B, A, C] of every anchor, before NMS
    export.json    label map, sizes, thresholds

ONNX and LiteRT have no JPEG decoder: prepare pictures as `preprocess.load` does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from plates.efficientdet.checkpoints.saved_detector import SavedDetector
from plates.efficientdet.config import ExportConfig, NmsConfig
from plates.efficientdet.inference import equal_bytes
from plates.efficientdet.inference.predictor import Predictor
from plates.efficientdet.model import anchors
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.boxes import deltas_to_yxyx
from plates.efficientdet.model.family import Spec
from plates.errors import UserError
from plates.files import write_json

SAVED_MODEL, DESCRIPTION = "saved_model", "export.json"
FILES = {"onnx": "model.onnx", "litert": "model.tflite"}


def export(
    detector: SavedDetector,
    nms: NmsConfig,
    config: ExportConfig,
    folder: Path,
    thresholds: Mapping[str, float] | None = None,
) -> None:
    """Writes the formats of `config` into `folder`, which must not exist.

    Detections under `config.score_threshold` are left out, which is all that differs from the evaluation. `thresholds`,
    scores by name that an evaluation chose to act on, are in the description.
    """
    folder.mkdir(parents=True)
    threshold = max(nms.score_thresh, config.score_threshold)
    nms = nms.model_copy(update={"score_thresh": threshold})
    description = {
        "label_map": {str(key): name for key, name in detector.label_map.items()},
        "image_size": list(detector.spec.image_size),
        "score_threshold": threshold,
        "thresholds": dict(thresholds or {}),
        "nms": nms.model_dump(mode="json"),
        "formats": sorted(config.formats),
        "spec": detector.spec.to_json(),
    }
    if "saved_model" in config.formats:
        _saved_model(Predictor(detector.network, detector.spec, nms), folder / SAVED_MODEL)
        write_json(folder / SAVED_MODEL / "assets.extra" / "label_map.json", description["label_map"])
    for name in sorted(set(config.formats) & set(FILES)):
        model = decoded(detector.network, detector.spec)
        model(np.zeros((1, *detector.spec.image_size, 3), np.float32))  # Keras exports only what was called
        model.export(folder / FILES[name], format=name, verbose=False)
        if name == "onnx":
            equal_bytes.onnx_model(folder / FILES[name])
    write_json(folder / DESCRIPTION, description)


def decoded(network: keras.Model, spec: Spec) -> keras.Model:
    """The network with `boxes` [B, A, 4] yxyx in pixels of its input and `scores` [B, A, C] as outputs, masks too."""
    # Keras's Normalization holds its numbers outside of the graph, where the ONNX converter makes them inputs.
    bare = networks.build(spec, normalized_input=True)
    bare.set_weights(network.get_weights())
    images = keras.Input((*spec.image_size, 3), name="images")
    outputs = bare((images - np.asarray(spec.mean_rgb, np.float32)) / np.asarray(spec.stddev_rgb, np.float32))
    found = {}
    if "class" in outputs:
        found["boxes"] = deltas_to_yxyx(outputs["box"], anchors.generate(spec))
        found["scores"] = ops.sigmoid(outputs["class"])
    if "segmentation" in outputs:
        found["masks"] = ops.softmax(outputs["segmentation"])
    return keras.Model(images, found, name=f"{spec.name}_decoded")


def agreement(detector: SavedDetector, folder: Path, jpegs: Sequence[bytes]) -> dict[str, dict[str, float]]:
    """Largest difference of every exported format from the checkpoint, on real files: format to output to number.

    The SavedModel is compared in its detections, the others in all anchors. Values over 1 (pixels) are differences as a
    share of the largest one, masks of classes as the share of cells that differ. 5e-6 is usual.

    Raises:
        UserError: a format holds numbers that are not finite, or finds another number of objects.
    """
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    found = {}
    predictor = Predictor(detector.network, detector.spec, NmsConfig(**description["nms"]))
    if "saved_model" in description["formats"]:
        images = tf.constant(list(jpegs))
        expected = {name: value.numpy() for name, value in predictor.on_jpegs(images).items()}
        served = tf.saved_model.load(str(folder / SAVED_MODEL)).signatures["serving_default"](images=images)
        found["saved_model"] = _compare(
            "saved_model", expected, {name: value.numpy() for name, value in served.items()}
        )
    if set(description["formats"]) & set(FILES):
        pixels = np.stack([predictor.load(jpeg)[0] for jpeg in jpegs]).astype(np.float32)
        model = decoded(detector.network, detector.spec)
        expected = {name: np.asarray(value) for name, value in model(pixels, training=False).items()}
        for name in sorted(set(description["formats"]) & set(FILES)):
            run = run_onnx if name == "onnx" else run_litert
            found[name] = _compare(name, expected, run(folder / FILES[name], pixels))
    return found


def run_onnx(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of model.onnx for `images` float32 [B, H, W, 3], by onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: images}), strict=True))


def run_litert(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of model.tflite for `images` float32 [B, H, W, 3], by LiteRT on the CPU."""
    interpreter = tf.lite.Interpreter(str(path), num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    return dict(runner(**{name: images}))


def _saved_model(predictor: Predictor, folder: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "image")])
    def single(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: value[0] for name, value in predictor.on_jpegs(image[None]).items()}

    signatures: dict[str, Any] = {"serving_default": predictor.on_jpegs, "single": single}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(predictor, str(folder), signatures=signatures, options=options)
    equal_bytes.saved_model(folder)


def _compare(name: str, expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> dict[str, float]:
    broken = [key for key, value in found.items() if not np.isfinite(value).all()]
    if broken:
        raise UserError(f"The exported {name} answers with NaN or infinity ({', '.join(broken)}).")
    if "valid_len" in expected and (expected["valid_len"] != found["valid_len"]).any():
        raise UserError(
            f"The exported {name} finds {found['valid_len'].tolist()} objects where the checkpoint finds "
            f"{expected['valid_len'].tolist()}."
        )
    return {key: _difference(np.asarray(value), found[key]) for key, value in expected.items()}


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.dtype == np.uint8:
        return float(np.mean(expected != found))
    expected = expected.astype(np.float64)
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    return float(np.abs(expected - found).max(initial=0)) / scale
