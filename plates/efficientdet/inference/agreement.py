"""Whether an exported model gives the checkpoint's own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from plates.efficientdet.checkpoints.saved_detector import SavedDetector
from plates.efficientdet.inference.description import Description
from plates.efficientdet.inference.export import decoded, standalone
from plates.efficientdet.inference.predictor import Predictor
from plates.efficientdet.inference.runtimes import FILES, Arrays, Format, open_network
from plates.errors import UserError

LIMITS = {"boxes": 0.5, "scores": 1e-3, "corners": 0.5, "masks": 1e-3}
"""Largest difference that counts as agreement: pixels, scores, and the probability of a mask's class (SavedModel from
files: share of cells). Other kernels differ by 1e-4 px and 1e-6; other weights or pre-processing by more than these."""


def agreement(
    detector: SavedDetector, formats: Iterable[Format], folder: Path, jpegs: Sequence[bytes]
) -> dict[str, dict[str, float]]:
    """Largest difference of every exported format from the checkpoint, on real files: format to output to number.

    Prepared pictures go into each; into the SavedModel also the files themselves, as `saved_model from files`.

    Raises:
        UserError: a format returns values that are not finite, or finds another number of objects.
    """
    description = Description.read(folder)
    predictor = Predictor(detector.network, detector.spec, description.at_threshold())
    pixels = np.stack([predictor.load(jpeg)[0] for jpeg in jpegs]).astype(np.float32)
    found = {}
    for name in formats:
        inside = name in ("onnx", "litert")
        model = standalone(detector, description) if inside else decoded(detector.network, detector.spec)
        expected = {key: np.asarray(value) for key, value in model(pixels, training=False).items()}
        found[str(name)] = _compare(name, expected, open_network(folder, name).run(pixels))
    if "saved_model" in found:
        images = tf.constant(list(jpegs))
        served = tf.saved_model.load(str(folder / FILES["saved_model"])).signatures["serving_default"](images=images)
        found["saved_model from files"] = _compare(
            "saved_model",
            {name: value.numpy() for name, value in predictor.on_jpegs(images).items()},
            {name: value.numpy() for name, value in served.items()},
        )
    return found


def _compare(name: str, expected: Arrays, found: Arrays) -> dict[str, float]:
    broken = [key for key, value in found.items() if not np.isfinite(value).all()]
    if broken:
        raise UserError(
            f"The exported {name} returns values that are not numbers ({', '.join(broken)}): weights are out of range. "
            "For the cause: plates why"
        )
    if "classes" in expected and not np.array_equal(expected["classes"], found["classes"]):
        here, there = ((classes > 0).sum(axis=1).tolist() for classes in (found["classes"], expected["classes"]))
        raise UserError(f"The exported {name} finds {here} objects, but the checkpoint finds {there}.")
    return {key: _difference(expected[key], found[key]) for key in LIMITS if key in expected}


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.dtype == np.uint8:
        return float(np.mean(expected != found))
    return float(np.abs(expected.astype(np.float64) - found).max(initial=0))
