"""A trained detector on disk: a folder with averaged weights, raw weights, and everything needed to rebuild it.

best.weights.h5   the network's weights to use: averaged, from the best evaluation of the run
last.weights.h5   the raw weights at the end of the run
model.keras       the best weights again, with the network: `keras_model`
model.json        the spec, the label map, and a description of the run
history.csv       one row per step, without clock times: equal training gives equal bytes
load_report.json  if it started from pretrained weights: what was loaded and what was not
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from plates.efficientdet.checkpoints.keras_files import require_plain
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.family import Spec
from plates.errors import UserError
from plates.files import atomic, write_json

BEST, LAST, MODEL, HISTORY = "best.weights.h5", "last.weights.h5", "model.json", "history.csv"
LOADED = "load_report.json"


@dataclass(frozen=True)
class SavedDetector:
    """A rebuilt detector: float32 `network` for inference, its `spec`, `label_map` id to name, and `run` as written."""

    network: keras.Model
    spec: Spec
    label_map: dict[int, str]
    run: dict[str, Any]


def describe(folder: Path, spec: Spec, label_map: dict[int, str], run: dict[str, Any]) -> None:
    """Writes model.json."""
    content = {
        "spec": spec.to_json(),
        "label_map": {str(key): name for key, name in label_map.items()},
        "run": run,
    }
    write_json(folder / MODEL, content)


def save_weights(network: keras.Model, path: Path) -> None:
    """Writes the network's weights (Keras's `.weights.h5`), atomically."""
    with atomic(path) as temporary:
        network.save_weights(temporary)


def load(folder: str | Path, weights: str = BEST) -> SavedDetector:
    """Rebuilds the network of a checkpoint folder.

    Raises:
        UserError: no such folder or file, or weights that are damaged or for another network.
    """
    folder = Path(folder)
    for name in (MODEL, weights):
        if not (folder / name).is_file():
            raise UserError(
                f"No trained detector at {folder}: {name} is missing. Train one: `plates materialize checkpoint`."
            )
    spec, label_map, run = described(folder)
    network = networks.build(spec)
    load_weights(network, folder / weights)
    return SavedDetector(network, spec, label_map, run)


def described(folder: Path) -> tuple[Spec, dict[int, str], dict[str, Any]]:
    """What model.json says: `spec`, `label_map` and `run` of `SavedDetector`; `UserError` if it is damaged."""
    try:
        content = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        label_map = {int(key): name for key, name in content["label_map"].items()}
        return Spec.from_json(content["spec"]), label_map, content["run"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder / MODEL} is damaged or of another version ({type(error).__name__}: {error}). Train again: "
            "`plates materialize checkpoint`."
        ) from error


def load_weights(network: keras.Model, path: Path) -> None:
    """Loads weights of exactly this network.

    Raises:
        UserError: the file is damaged, for another network, or not safe to read.
    """
    require_plain(path)
    try:
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{path} does not hold weights for this {network.name}: it is damaged, or for another variant or size "
            f"({reason}). `plates weights inspect {path}` shows what is in it."
        ) from error
