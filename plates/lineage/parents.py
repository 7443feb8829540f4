"""Trained weights that training started from, or learned from: their content, and the record of their run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plates.files import read_json
from plates.lineage.checkpoint import described
from plates.lineage.record import Record


def parents(checkpoint: Path, records: Sequence[Record]) -> dict[str, Any]:
    """What the run of a checkpoint started from, as the run recorded it; empty for random weights and no teacher.

    `pretrained` is `model.pretrained`, `content` the hash of the checkpoint that it named, `sha256` that of the file
    that was loaded, `record` the id of the record that the checkpoint is of; `teacher`, `teacher_content` and
    `teacher_record` the same of `train.teacher`. Each only if known.
    """
    fingerprint = described(checkpoint)["run"]["fingerprint"]
    report = checkpoint / "load_report.json"
    loaded = read_json(report) if report.is_file() else {}
    found: dict[str, Any] = {}
    if fingerprint["pretrained"][0] != "none":
        found["pretrained"], found["content"], found["record"] = _origin(fingerprint["pretrained"], records)
        found["sha256"] = loaded.get("sha256")
    if teacher := fingerprint.get("teacher"):
        found["teacher"], found["teacher_content"], found["teacher_record"] = _origin(teacher, records)
    return {key: value for key, value in found.items() if value is not None}


def _origin(identity: Sequence[str], records: Sequence[Record]) -> tuple[str, str | None, str | None]:
    """The name of weights, their hash, and the id of the record that they are of."""
    name, *content = identity
    record = next((r.id for r in reversed(records) if r.outputs.get("models/checkpoint") in content), None)
    return name, content[0] if content else None, record
