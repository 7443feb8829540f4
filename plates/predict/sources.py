"""The pictures behind what was asked for: files, folders, patterns, addresses, videos, and what is in memory."""

from __future__ import annotations

import glob
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from plates.errors import UserError
from plates.predict.picture import MOST_MEGAPIXELS, Picture
from plates.predict.video import CAMERA, frames

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".ts")
PROTOCOLS = ("http://", "https://", "rtsp://")

MOST_BYTES = 3 * MOST_MEGAPIXELS * 10**6
SECONDS = 10
"""Seconds that an address may take to answer."""

OnError = Callable[[str, UserError], None]


def expand(given: Any, *, urls: bool = False, on_error: OnError | None = None) -> Iterator[Picture]:
    """Every picture in `given`, in its order; those of a folder, which is searched whole, by name.

    Args:
        given: a path of a picture, a folder or a video, a pattern such as `street/*.png`, a camera such as
            `/dev/video0`, an address, the bytes of a file, a Pillow image, an array [h, w, 3], a `Picture`; or many of
            them.
        urls: whether addresses may be fetched.
        on_error: called with the name of a picture that cannot be opened, and why; the others continue. Without it the
            error is raised.

    Raises:
        UserError: a named picture does not exist.
    """
    for number, item in enumerate(_many(given), 1):
        called = str(item) if isinstance(item, str | Path) else f"picture {number}"
        with passing(called, on_error):
            for source, opened in _inside(item, called, urls):
                with passing(source, on_error):
                    yield from opened()


@contextmanager
def passing(source: str, on_error: OnError | None) -> Iterator[None]:
    """Hands a `UserError`, or what goes wrong with a file, to `on_error`, if there is one."""
    try:
        yield
    except (UserError, OSError, ValueError) as error:
        if on_error is None:
            raise
        on_error(source, error if isinstance(error, UserError) else UserError(f"{source}: {error}"))


def files(path: Path, kinds: tuple[str, ...] = PICTURES) -> list[Path]:
    """The files of `kinds` (suffixes) anywhere under a folder, by name; none that begins with a dot.

    Raises:
        UserError: a folder in it cannot be read.
    """
    return sorted(file for file in _under(path) if _wanted(file, kinds))


def others(given: Iterable[str], kinds: tuple[str, ...] = PICTURES) -> dict[str, int]:
    """For each folder in `given`, how many entries of it are skipped: other files, and links to folders or to nothing.

    Raises:
        UserError: a folder in it cannot be read.
    """
    folders = [Path(os.path.expanduser(name)) for name in given if Path(os.path.expanduser(name)).is_dir()]
    counts = {str(folder): sum(not _wanted(entry, kinds) for entry in _under(folder)) for folder in folders}
    return {folder: count for folder, count in counts.items() if count}


def _wanted(file: Path, kinds: tuple[str, ...]) -> bool:
    return file.suffix.lower() in kinds and not file.name.startswith(".") and file.is_file()


def _under(path: Path) -> Iterator[Path]:
    """Everything under a folder but folders; links to folders are not followed."""

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error

    for folder, folders, names in os.walk(path, onerror=refuse):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (Path(folder, name) for name in (*names, *links))


def _many(given: Any) -> Iterable[Any]:
    if isinstance(given, str | Path | bytes | Image.Image | Picture):
        return [given]
    if isinstance(given, bytearray | memoryview):
        return [bytes(given)]
    if hasattr(given, "read"):
        raise UserError("an open file is given; give its path, or its bytes: file.read()")
    if isinstance(given, np.ndarray):
        return given if given.ndim == 4 else [given]
    return given


Opening = Callable[[], Iterable[Picture]]


def _inside(item: Any, name: str, urls: bool) -> Iterator[tuple[str, Opening]]:
    """Names of the pictures in one item, and how to open each."""
    if isinstance(item, Picture):
        yield item.source, lambda: [item]
    elif not isinstance(item, str | Path):
        yield name, lambda: [Picture(item, name)]
    elif str(item).startswith(PROTOCOLS):
        yield str(item), lambda: _fetched(str(item), urls)
    else:
        for path in paths(str(item)):
            yield str(path), partial(_of_file, path)


def _of_file(path: Path) -> Iterable[Picture]:
    moving = path.suffix.lower() in VIDEOS or str(path).startswith(CAMERA)
    return frames(str(path)) if moving else [Picture.read(path)]


def named(given: str) -> Path:
    """The path of a name, `~` the home folder; raises `UserError` for none, which would be the folder one is in."""
    if not given:
        raise UserError("a name is empty; the folder one is in is .")
    return Path(os.path.expanduser(given))


def paths(given: str) -> list[Path]:
    """The files that a path, a folder (its pictures) or a pattern names; raises `UserError` if a pattern names none."""
    path = named(given)
    if path.is_dir():
        found = files(path)
        if not found:
            raise UserError(f"there is no picture ({', '.join(PICTURES)}) anywhere in {path}")
        return found
    if not path.exists() and glob.has_magic(given):
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
        if not found:
            raise UserError(f"no file matches {given}")
        return found
    return [path]


def _fetched(address: str, urls: bool) -> Iterable[Picture]:
    if not urls:
        raise UserError(f"{address} is fetched only if you allow it: urls=True, or plates predict --urls")
    if address.startswith("rtsp://") or Path(address.partition("?")[0]).suffix.lower() in VIDEOS:
        return frames(address)
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # its protocol was looked at
            content = answer.read(MOST_BYTES + 1)
    except (urllib.error.URLError, TimeoutError, ValueError, OSError) as error:
        raise UserError(f"{address} cannot be fetched: {getattr(error, 'reason', error)}") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{address} is over {MOST_BYTES / 10**6:.0f} MB")
    return [Picture(content, address)]
