"""Keras's HDF5 files: our own .weights.h5, and those of `keras.applications` in the new and the old layout."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from plates.efficientdet.keras_private import layers_of, own_variables
from plates.errors import UserError


def read_keras(path: Path) -> dict[str, np.ndarray]:
    """Arrays by "LAYER/INDEX": the path of layer names down to the owner, and the position among its own variables.

    Raises `UserError` for a damaged file, or one that Keras did not write.
    """
    try:
        with h5py.File(path) as file:
            found = _old_layout(file) if "layer_names" in file.attrs else _new_layout(file)
    except OSError as error:
        raise UserError(f"{path} is damaged or no HDF5 file ({error}); get it again") from error
    if not found:
        raise UserError(f"{path} holds no Keras weights")
    return found


def _new_layout(file: h5py.File) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def visit(path: str, item: Any) -> None:
        parts = path.split("/")
        if not isinstance(item, h5py.Dataset) or len(parts) < 2 or parts[-2] != "vars":
            return
        owners = ["/".join([*parts[:end], "vars"]) for end in range(1, len(parts) - 1)]
        names = [str(file[owner].attrs["name"]) for owner in owners if owner in file and "name" in file[owner].attrs]
        found["/".join([*names, parts[-1]]).replace(".", "/")] = np.asarray(item)

    file.visititems(visit)
    return found


def _old_layout(file: h5py.File) -> dict[str, np.ndarray]:
    return {
        f"{layer}/{index}": np.asarray(file[layer][name])
        for layer in map(_text, file.attrs["layer_names"])
        for index, name in enumerate(map(_text, file[layer].attrs["weight_names"]))
    }


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def positions(network: Any) -> dict[str, str]:
    """ "LAYER/INDEX" of each variable of a network, by its path with `.` as `/`."""
    found: dict[str, str] = {}
    for layer in layers_of(network):
        for index, variable in enumerate(own_variables(layer)):
            owner = variable.path.rsplit("/", 1)[0].replace(".", "/")
            found[variable.path.replace(".", "/")] = f"{owner}/{index}"
    return found
