"""Formats of fewer bits: made, scored and timed against their float format, and kept only if that pays.

LiteRT by TensorFlow's converter, float16 weights or int8 calibrated on photographs of train; OpenVINO's int8 by NNCF's
post-training quantization. Naive int8 costs detectors of this family 2 to 4 points of mAP, and can be slower.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf

from plates.columns import BOX
from plates.efficientdet.checkpoints.saved_detector import SavedDetector
from plates.efficientdet.config.output import FewerBits, Float
from plates.efficientdet.data.tfrecords.example import Example
from plates.efficientdet.evaluation import metrics
from plates.efficientdet.inference.description import Description
from plates.efficientdet.inference.export import export, litert
from plates.efficientdet.inference.predictor import Predictor
from plates.efficientdet.inference.runtimes import FILES, Network, open_network, part, seal
from plates.efficientdet.inference.suppress import suppress
from plates.errors import UserError

FLOAT: Mapping[FewerBits, Float] = {"litert_float16": "litert", "litert_int8": "litert", "openvino_int8": "openvino"}
"""The float format that each is made from and compared with."""

CALIBRATED, SCORED = 128, 1000
"""Photographs of train that int8 is calibrated on, and of validation that all are scored on, at most."""

ANSWERS = 20


class Outcome(NamedTuple):
    """The cost and gain of fewer bits: mAP lost on validation, and ms per picture against the float format."""

    loss: float
    ms: float
    float_ms: float

    def kept(self, max_loss: float) -> bool:
        """Whether that pays."""
        return self.loss <= max_loss and self.ms < self.float_ms

    def __str__(self) -> str:
        return f"{self.loss:.4f} mAP lost on validation, {self.ms:.2f} ms per picture, {self.float_ms:.2f} in float"


def add(
    detector: SavedDetector,
    description: Description,
    wanted: Sequence[FewerBits],
    folder: Path,
    train: Sequence[Example],
    validation: Sequence[Example],
    max_loss: float,
) -> dict[FewerBits, Outcome]:
    """Adds those formats of `wanted` that pay to an exported folder; returns the outcome of each.

    NMS is not inside any of them.

    Args:
        detector: the checkpoint.
        description: as of the other formats.
        wanted: formats.
        folder: of `export`.
        train: photographs that int8 is calibrated on.
        validation: photographs that all are scored on.
        max_loss: mAP that may be lost.

    Raises:
        UserError: the network finds no boxes, or a package is not installed.
    """
    if "object_detection" not in detector.spec.heads:
        raise UserError(f"{', '.join(wanted)}: fewer bits are judged by mAP, but this network finds no boxes")
    description = description.model_copy(update={"nms_inside": False})
    predictor = Predictor(detector.network, detector.spec, description.nms)
    pixels = [predictor.load(example.encoded)[0].numpy().astype(np.float32) for example in train]
    outcomes = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch, "made")
        export(detector, description, sorted({FLOAT[name] for name in wanted}), made)
        scores = {}
        for name in wanted:
            _write(name, detector, description, made, pixels)
            seal(made)
            plain, fewer = open_network(made, FLOAT[name]), open_network(made, name)
            for network in (plain, fewer):
                if network.format not in scores:
                    scores[network.format] = _score(network, predictor, validation)
            outcomes[name] = Outcome(scores[plain.format] - scores[name], *_beside(fewer, plain))
            if outcomes[name].kept(max_loss):
                (made / part(name)).rename(folder / part(name))
    seal(folder)
    return outcomes


def _write(
    name: FewerBits, detector: SavedDetector, description: Description, folder: Path, pixels: Sequence[np.ndarray]
) -> None:
    target = folder / FILES[name]
    if name == "openvino_int8":
        _openvino_int8(folder / FILES["openvino"], description, target, pixels)
        return
    settings: dict[str, Any] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if name == "litert_float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    else:
        settings["representative_dataset"] = lambda: ([image[None]] for image in pixels)
    litert(detector, description, target, **settings)


def _openvino_int8(source: Path, description: Description, target: Path, pixels: Sequence[np.ndarray]) -> None:
    try:
        import nncf
    except ImportError:
        raise UserError("openvino_int8 needs NNCF: pip install -e '.[int8]'") from None
    import openvino

    nncf.set_log_level("ERROR")
    calibration = nncf.Dataset(list(pixels), lambda image: image[None])
    model = nncf.quantize(openvino.Core().read_model(source), calibration, subset_size=len(pixels))
    model.set_rt_info(description.model_dump_json(), ["plates", "description"])
    target.parent.mkdir()
    openvino.save_model(model, target, compress_to_fp16=False)


def _score(network: Network, predictor: Predictor, examples: Sequence[Example]) -> float:
    """mAP of a network, with the NMS of its description."""
    found, truth = [], []
    for example in examples:
        pixels, scale = predictor.load(example.encoded)
        answer = network.run(pixels.numpy().astype(np.float32)[None])
        detections = suppress(answer["boxes"][0], answer["scores"][0], predictor.nms, predictor.spec.image_size)
        ymin, xmin, ymax, xmax = (detections.boxes * float(scale)).T
        box = dict(zip(BOX, (xmin, ymin, xmax, ymax), strict=True))
        found.append(pd.DataFrame({"class": detections.classes, "score": detections.scores, **box}))
        truth.append(pd.DataFrame(example.boxes, columns=BOX).assign(**{"class": example.names}, iscrowd=example.crowd))
        if not example.names:
            truth[-1] = pd.DataFrame({"class": [None], **dict.fromkeys(BOX, np.nan), "iscrowd": False})
    ids = [int(example.image_id) for example in examples]
    detections, boxes = (
        pd.concat(parts, keys=ids, names=["image_id"]).reset_index("image_id") for parts in (found, truth)
    )
    return metrics.evaluate(detections, boxes, network.description.label_map).metrics.mAP


def _beside(*networks: Network) -> tuple[float, ...]:
    """Median milliseconds per picture of networks that are run in turn."""
    height, width = networks[0].description.image_size
    pixels = np.full((1, height, width, 3), 127, np.float32)
    times: list[list[float]] = [[] for _ in networks]
    for turn in range(1 + ANSWERS):
        for network, own in zip(networks, times, strict=True):
            began = time.perf_counter()
            network.run(pixels)
            if turn:  # the first answer prepares the next ones
                own.append(time.perf_counter() - began)
    return tuple(1000 * float(np.median(own)) for own in times)
