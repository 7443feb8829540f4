"""A weights file of any kind: what it is, and which array belongs to which variable."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plates.efficientdet.checkpoints import names
from plates.efficientdet.checkpoints.keras_files import positions, read_keras
from plates.efficientdet.checkpoints.saved_detector import BEST
from plates.efficientdet.checkpoints.tensorflow_files import read_checkpoint
from plates.efficientdet.model.backbone_tables import KERAS_BACKBONE, Backbone
from plates.efficientdet.model.network import variable_name
from plates.errors import UserError

NAME_BASED = "name-based checkpoint, averages"
NAME_BASED_RAW = "name-based checkpoint without averages"
OBJECT_BASED = "object-based checkpoint"
KERAS = "Keras weights"


@dataclass(frozen=True)
class WeightsFile:
    """The arrays of a file by the file's own keys."""

    source: str
    kind: str
    arrays: dict[str, np.ndarray]
    sha256: str | None = None

    def keys_for(self, network: Any, table: Backbone, min_level: int) -> dict[str, str]:
        """For each variable of the network (google/automl's names), its key in this file.

        From a name-based checkpoint with averages only these are used, never the raw values beside them.
        """
        ours = [variable_name(variable) for variable in network.weights]
        if self.kind == NAME_BASED:
            return {name: name + names.AVERAGE for name in ours}
        if self.kind == OBJECT_BASED:
            return {name: names.object_key(name, set(ours), min_level) for name in ours}
        if self.kind == NAME_BASED_RAW:
            return {name: name for name in ours}
        places = positions(network)
        keys = {variable_name(v): places[v.path.replace(".", "/")] for v in network.weights}
        if self.kind == KERAS:
            return keys
        layers = names.keras_layers(table)
        split = {name: key.rsplit("/", 1) for name, key in keys.items()}
        return {name: f"{layers.get(owner, 'no such layer')}/{index}" for name, (owner, index) in split.items()}


def read(path: Path, *, hashed: bool = True) -> WeightsFile:
    """Reads the weights at `path`.

    Args:
        path: a .weights.h5 (ours or a keras.applications backbone), our folder of a checkpoint, a published archive,
            its folder, or a TensorFlow checkpoint's prefix.
        hashed: whether to compute the file's SHA-256.

    Raises:
        UserError: it is missing, damaged or something else.
    """
    if not path.exists() and not path.with_name(path.name + ".index").exists():
        raise UserError(f"no weights at {path.absolute()}: check model.pretrained")
    if (path / BEST).is_file():
        path = path / BEST
    digest = sha256_of(path) if hashed and path.is_file() else None
    if path.suffix in (".h5", ".hdf5"):
        arrays = read_keras(path)
        kind = KERAS_BACKBONE if any(key.startswith("stem_conv/") for key in arrays) else KERAS
        return WeightsFile(str(path), kind, arrays, digest)
    arrays = read_checkpoint(path)
    if any(key.endswith(names.SUFFIX) for key in arrays):
        kind = OBJECT_BASED
    elif any(key.endswith(names.AVERAGE) for key in arrays):
        kind = NAME_BASED
    else:
        kind = NAME_BASED_RAW
    return WeightsFile(str(path), kind, arrays, digest)


def inspect(path: Path) -> list[dict[str, Any]]:
    """One row per array of the file: key, shape, dtype, mean and largest absolute value."""
    stored = read(path, hashed=False)
    return [_row(key, array) for key, array in _sorted(stored.arrays.items())]


def _sorted(items: Iterable[tuple[str, np.ndarray]]) -> list[tuple[str, np.ndarray]]:
    return sorted(items, key=lambda item: item[0])


def _row(key: str, array: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {"key": key, "shape": "x".join(map(str, np.shape(array))), "dtype": str(array.dtype)}
    if np.issubdtype(array.dtype, np.number) and np.size(array):
        row["mean"] = float(np.mean(array, dtype=np.float64))
        row["largest"] = float(np.max(np.abs(array)))
    return row


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
