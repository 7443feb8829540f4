"""What the last accepted delivery was like, so that the next can be compared with it."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from checks.suites.delivery import Delivery
from plates import parts
from plates.files import atomic, write_json
from plates.settings.project import Project


@dataclass(frozen=True)
class Remembered:
    """A delivery's size, and a file of `plates.splits.shift.features` of its accepted annotations."""

    size: Delivery
    looks: Path


def folder(project: Project) -> Path:
    """Where past deliveries of the project's photographs are kept: another `data.root` is not a later delivery."""
    if project.draws_sample:
        return project.scratch / "samples"
    return project.scratch / "deliveries" / hashlib.sha256(os.fsencode(str(project.photographs))).hexdigest()[:12]


def last(folder: Path, delivery: Delivery) -> Remembered | None:
    """The last accepted delivery other than `delivery` itself: validating again gives the same result."""
    for name in ("this", "before"):
        known = _read(folder / name)
        if known is not None and known.size.digest != delivery.digest:
            return known
    return None


def remember(folder: Path, delivery: Remembered) -> None:
    """Saves a delivery as the last accepted one, next to the one it was compared with."""
    before = last(folder, delivery.size)
    with atomic(folder) as temporary:
        _write(temporary / "this", delivery)
        if before is not None:
            _write(temporary / "before", before)


def _read(folder: Path) -> Remembered | None:
    try:
        size = Delivery.model_validate_json((folder / "size.json").read_text(encoding="utf-8"))
        for _ in parts.read(folder / "looks.parquet"):
            pass
        return Remembered(size, folder / "looks.parquet")
    except (OSError, ValueError, pa.ArrowException):  # not there, or damaged
        return None


def _write(folder: Path, delivery: Remembered) -> None:
    write_json(folder / "size.json", delivery.size.model_dump())
    shutil.copyfile(delivery.looks, folder / "looks.parquet")
