"""Keras's HDF5 files: our own .weights.h5, and those of `keras.applications` in the new and the old layout."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from plates.efficientdet.keras_private import layers_of, own_variables
from plates.errors import UserError

LARGEST = 4 << 30  # bytes of numbers in a file; the largest detector, D7x, has 0.3 GiB


def read_keras(path: Path) -> dict[str, np.ndarray]:
    """Arrays by "LAYER/INDEX": the path of layer names down to the owner, and the position among its own variables.

    Raises:
        UserError: the file is damaged, Keras did not write it, or it is not safe to read (`require_plain`).
    """
    require_plain(path)
    try:
        with h5py.File(path) as file:
            found = _old_layout(file) if "layer_names" in file.attrs else _new_layout(file)
    except (OSError, KeyError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged or not a Keras file ({error}); get it again") from error
    if not found:
        raise UserError(f"{path} holds no Keras weights")
    return found


def require_plain(path: Path) -> None:
    """Refuses an HDF5 file whose numbers are elsewhere, or that claims more of them than it can hold.

    HDF5 can read an array from another file on the machine (external storage, external links, virtual datasets), and
    can claim numbers that were never written. Keras does neither.

    Raises:
        UserError: such an array, by name.
    """
    try:
        with h5py.File(path) as file:
            problem = next(_problems(file), None)
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"{path} is damaged or not an HDF5 file ({error}); get it again") from error
    if problem:
        raise UserError(f"{path} is refused: {problem}. Keras does not write such files; get it again from its source")


def _problems(file: h5py.File) -> Iterator[str]:
    """What is wrong with a file, one sentence each."""
    claimed = 0
    groups: list[h5py.Group] = [file]
    seen: set[int] = set()  # a group can hold itself
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            link = group.get(name, getlink=True)
            where = f"{group.name.rstrip('/')}/{name}"
            if isinstance(link, h5py.ExternalLink):
                yield f"{where} is in another file, {link.filename}"
            elif isinstance(link, h5py.SoftLink):
                yield f"{where} is a link to {link.path}"
            elif isinstance(item := group[name], h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                claimed += item.size * item.dtype.itemsize if item.size else 0
                if item.external:
                    yield f"{where} is in another file, {item.external[0][0]}"
                elif item.is_virtual:
                    yield f"{where} is made of other files"
                elif claimed > LARGEST:
                    yield f"{where} claims {item.size:,} numbers, more than any detector has"
                elif item.size and not item.id.get_storage_size():
                    yield f"{where} claims {item.size:,} numbers, but the file has none of them"


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
    found = {}
    for layer in map(_text, file.attrs["layer_names"]):
        for index, name in enumerate(map(_text, file[layer].attrs["weight_names"])):
            if name not in file[layer]:
                raise KeyError(f"it refers to {layer}/{name}, which it does not contain")
            found[f"{layer}/{index}"] = np.asarray(file[layer][name])
    return found


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
