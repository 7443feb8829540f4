"""Opens a model, given any name for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from plates.efficientdet.inference.description import DESCRIPTION
from plates.efficientdet.inference.runtimes import Kind, format_of, open_network
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage import record as records
from plates.lineage.cache import Cache
from plates.predict.model import Model
from plates.settings.project import Project

CHECKPOINT = "model.json"
RECORD_ID = re.compile(r"[0-9a-f]{4,64}")


def load(model: str | Path, format: Kind | None = None, *, threads: int | None = None) -> Model:
    """Opens a model.

    Args:
        model: an exported folder or the folder around it, such as `models/champion`; a checkpoint's folder; a `.onnx`,
            a `.tflite` or OpenVINO's `.xml`; or the beginning of a lineage record's id, inside a project.
        format: which format of an exported folder; default: the fastest.
        threads: that share the work of one answer; default: one for each core. 1 for answers from several threads at
            once. A checkpoint and a SavedModel have TensorFlow's.

    Returns:
        The model, on the CPU; a checkpoint and a SavedModel import TensorFlow, which takes seconds. A SavedModel can
        read and write files while it runs: load what you trust.

    Raises:
        UserError: there is no model, or it is damaged, was changed after it was exported, or needs a package that is
            not installed.

    Example:
        >>> model = plates.load(folder)
        >>> model.format
        'onnx'
    """
    path, kind = locate(model, format)
    if kind == "checkpoint":
        from plates.predict.checkpoint import network

        return Model(network(path), path)
    return Model(open_network(path, kind, threads), path)


def locate(model: str | Path, format: Kind | None = None) -> tuple[Path, Kind]:
    """Where a model is, and the format that `load` would open; raises like it if there is none."""
    if not str(model):
        raise UserError("the model's name is empty")
    path = Path(os.path.expanduser(model))
    if not path.exists() and RECORD_ID.fullmatch(str(model)):
        path = _recorded(str(model))
    if not (path / DESCRIPTION).exists() and (path / "model").is_dir():
        path = path / "model"
    if format == "checkpoint" or (path / CHECKPOINT).is_file():
        return path, "checkpoint"
    return path, format_of(path, format)


def _recorded(prefix: str) -> Path:
    """The folder of the model that a record is of: the project's, or a copy from DVC's cache."""
    project = Project.find()
    record = records.find(project.root, prefix)
    for name, folders in RECORDED.items():
        for folder in map(project.path, folders):
            if folder.is_dir() and content_hash(folder) == record.outputs.get(name):
                return folder
    cache = Cache.of(project.root)
    for md5 in (record.outputs[name] for name in RECORDED if name in record.outputs):
        folder = project.scratch / "recorded" / md5
        if folder.is_dir() or not cache.missing(md5):
            if not folder.is_dir() or content_hash(folder) != md5:
                cache.put(md5, folder)
            return folder
    raise UserError(
        f"the model of record {record.id} is neither in this project's models nor in DVC's cache. Restore it: "
        f"plates lineage restore {record.id}"
    )


RECORDED = {
    "models/export/model": ("models/export/model", "models/champion/model"),
    "models/checkpoint": ("models/checkpoint", "models/champion/checkpoint"),
}
"""Where what a record knows under a name can be."""
