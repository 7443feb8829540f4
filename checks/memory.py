"""What the last accepted delivery was like, so that the next can be compared with it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from checks.suites.delivery import Delivery
from plates.columns import BOX
from plates.files import atomic, write_json, write_parquet
from plates.settings.project import Project
from plates.splits.shift import features


@dataclass(frozen=True)
class Remembered:
    """A delivery's size, and `plates.splits.shift.features` of its accepted annotations."""

    size: Delivery
    looks: pd.DataFrame


def folder(project: Project) -> Path:
    """Where past deliveries of the project's photographs are kept: another `data.root` is not a later delivery."""
    if project.draws_sample:
        return project.scratch / "samples"
    return project.scratch / "deliveries" / hashlib.sha256(os.fsencode(str(project.photographs))).hexdigest()[:12]


def last(folder: Path, labels: pd.DataFrame) -> Remembered | None:
    """The last accepted delivery other than `labels` itself: validating again gives the same result."""
    for name in ("this", "before"):
        known = _read(folder / name)
        if known is not None and known.size.digest != digest(labels):
            return known
    return None


def remember(folder: Path, labels: pd.DataFrame, accepted: pd.DataFrame) -> None:
    """Saves `labels` as the last accepted delivery, next to the one it was compared with."""
    before = last(folder, labels)
    with atomic(folder) as temporary:
        _write(temporary / "this", Remembered(Delivery.of(labels, digest(labels)), features(accepted)))
        if before is not None:
            _write(temporary / "before", before)


def digest(labels: pd.DataFrame) -> str:
    """A hash of the photographs and their boxes, whatever their order."""
    rows = pd.util.hash_pandas_object(labels[["path", "sha256", *BOX]], index=False).sort_values()
    return hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()


def _read(folder: Path) -> Remembered | None:
    try:
        size = Delivery.model_validate_json((folder / "size.json").read_text(encoding="utf-8"))
        return Remembered(size, pd.read_parquet(folder / "looks.parquet"))
    except (OSError, ValueError, pa.ArrowException):  # not there, or damaged
        return None


def _write(folder: Path, delivery: Remembered) -> None:
    write_json(folder / "size.json", delivery.size.model_dump())
    write_parquet(folder / "looks.parquet", delivery.looks)
