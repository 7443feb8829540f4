"""The user's files beside the photographs that later stages read: the official lists and the COCO annotations."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from plates.ccpd.subsets import find_lists
from plates.errors import UserError
from plates.files import as_text
from plates.remote import Place, Remote, read
from plates.settings.project import Project

ANNOTATIONS = "data.annotations"


def lists(root: Place) -> dict[str, Place]:
    """The official lists of `data.root` that can be read, by their path in it."""
    return _readable(
        {as_text(file.relative_to(root).as_posix()): file for of in find_lists(root).values() for file in of}
    )


def beside(project: Project) -> dict[str, Place]:
    """These files by name: the lists, and `data.annotations`."""
    annotations = project.annotations
    given = {ANNOTATIONS: annotations} if annotations and annotations.is_file() else {}
    return lists(project.photographs) | _readable(given)


def hashes(files: Mapping[str, Place]) -> dict[str, str]:
    """The SHA-256 of each."""
    return {name: hashlib.sha256(read(file)).hexdigest() for name, file in files.items()}


def require_as_scanned(scanned: Path, files: Mapping[str, Place]) -> None:
    """Checks files that were just read against those that the table `raw_images` was made beside.

    Raises:
        UserError: one is another now: a record would name what was not used.
    """
    known = {key.decode(): value.decode() for key, value in (pq.read_schema(scanned).metadata or {}).items()}
    now = hashes({name: file for name, file in files.items() if name in known})
    if changed := [name for name, digest in now.items() if digest != known[name]]:
        raise UserError(f"{', '.join(changed)}: changed since the scan of the photographs. Run again: plates run")


def _readable(files: Mapping[str, Place]) -> dict[str, Place]:
    return {name: file for name, file in sorted(files.items()) if isinstance(file, Remote) or os.access(file, os.R_OK)}
