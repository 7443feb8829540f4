"""Published EfficientDets: archives and folders with a TensorFlow checkpoint, name-based or object-based."""

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from plates.errors import UserError

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Every numeric array of a checkpoint by its key.

    Args:
        path: an archive, a folder, or the prefix of the checkpoint's files.

    Raises:
        UserError: there is no checkpoint, there are several to choose from, or it is damaged.
    """
    with unpacked(path) as place:
        return _arrays(_prefix(place, path), path)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder with the files of a .tar, .tar.gz or .tgz; any other path unchanged.

    Only plain files inside the archive's own folder are unpacked: a member that would land elsewhere is an error.
    """
    if not path.name.endswith((".tar.gz", ".tgz", ".tar")):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="plates-weights-") as folder:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    _extract(archive, member, Path(folder).resolve())
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise UserError(f"{path} cannot be unpacked ({error}); delete it and download it again") from error
        yield Path(folder)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Like the filter "data" of `extractall`, which Python 3.11 has from 3.11.4 on and Debian's 3.11.2 lacks."""
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder):
        raise tarfile.TarError(f"{member.name} would be written outside of its folder")
    if member.isdir():
        return
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise tarfile.TarError(f"{member.name} is not a plain file")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _prefix(place: Path, path: Path) -> str:
    """What TensorFlow calls a checkpoint: the common prefix of its files.

    The state file `checkpoint` decides between several.
    """
    if not place.is_dir():
        return str(place).removesuffix(".index")
    found = sorted(index for index in place.rglob("*.index") if index.with_suffix("").name)
    if not found:
        raise UserError(f"{path} holds no TensorFlow checkpoint (no .index file)")
    if len(found) > 1:
        named = [index for index in found if _named_latest(index)]
        if len(named) != 1:
            names = ", ".join(str(index.relative_to(place).with_suffix("")) for index in found)
            raise UserError(f"{path} holds several checkpoints ({names}); name one: {path}/NAME")
        found = named
    return str(found[0].with_suffix(""))


def _named_latest(index: Path) -> bool:
    state = index.parent / "checkpoint"
    first = state.read_text(encoding="utf-8").splitlines()[:1] if state.is_file() else []
    return any(line.rstrip().endswith(f'{index.stem}"') for line in first)


def _arrays(prefix: str, path: Path) -> dict[str, np.ndarray]:
    import tensorflow as tf

    try:
        reader: Any = tf.train.load_checkpoint(prefix)
        keys = [key for key in reader.get_variable_to_shape_map() if key != OBJECT_GRAPH]
        arrays = {key: np.asarray(reader.get_tensor(key)) for key in sorted(keys)}
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise UserError(f"{path} is damaged or not a TensorFlow checkpoint ({reason}); get it again") from error
    return arrays
