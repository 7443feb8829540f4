"""Records: one file for every evaluation, saying which data, parameters and code produced which mAP."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from plates.errors import UserError
from plates.files import write_json
from plates.lineage import environment

FOLDER = "lineage/records"


class Record(BaseModel):
    """What one evaluation came from.

    `outputs` maps every file and folder that the stages before it wrote to its content hash, back to the table of raw
    images, whose rows hold the SHA-256 of each photograph. `dvc_lock` and `params_yaml` are those files' text: with
    DVC's cache they bring the whole state back (`plates lineage restore`).
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    time: str
    metrics: dict[str, Any]
    outputs: dict[str, str]
    params: dict[str, Any]
    code: dict[str, Any]
    packages: dict[str, str]
    machine: dict[str, Any]
    params_yaml: str
    dvc_lock: str


def write(root: Path, metrics: Mapping[str, Any], params: Mapping[str, Any]) -> Record:
    """Writes the record of the evaluation that lies in `root` now, and returns it.

    Its name is the hash of everything in it but the time and the machine: an evaluation repeated to the same figures
    from the same data, parameters and code is the same record, and keeps its first time.
    """
    lock = (root / "dvc.lock").read_text(encoding="utf-8")
    content: dict[str, Any] = {
        "metrics": dict(metrics),
        "outputs": outputs(lock),
        "params": dict(params),
        "code": environment.code(root),
        "packages": environment.packages(),
    }
    identity = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    path = root / FOLDER / f"{identity}.json"
    if path.exists():
        return read(path)
    record = Record(
        id=identity,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=environment.machine(),
        params_yaml=(root / "params.yaml").read_text(encoding="utf-8"),
        dvc_lock=lock,
        **content,
    )
    write_json(path, record.model_dump())
    return record


def outputs(lock: str) -> dict[str, str]:
    """The content hash of every output that `dvc.lock` holds, up to and without the card and the champion."""
    stages = yaml.safe_load(lock)["stages"]
    return {
        out["path"]: out["md5"]
        for name, stage in stages.items()
        if name not in ("model_card", "champion")
        for out in stage.get("outs", [])
        if not out["path"].startswith("reports/")
    }


def read(path: Path) -> Record:
    """Reads one record; `UserError` where it is not one."""
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is no record of an evaluation: {error}. Bring it back: git checkout -- {path}"
        ) from None


def read_all(root: Path) -> list[Record]:
    """Every record of the project, oldest first."""
    records = [read(path) for path in sorted((root / FOLDER).glob("*.json"))]
    return sorted(records, key=lambda record: record.time)


def find(root: Path, prefix: str) -> Record:
    """The record whose id begins with `prefix`; `UserError` where there is none, or more than one."""
    found = [record for record in read_all(root) if record.id.startswith(prefix)]
    if len(found) != 1:
        what = "no record" if not found else f"{len(found)} records"
        raise UserError(f"{what} with an id that begins with {prefix!r}. List them: plates lineage")
    return found[0]


def differences(first: Record, second: Record) -> list[tuple[str, Any, Any]]:
    """What differs between two evaluations, as (what, first's, second's): parameters, data, code, packages, metrics.

    Tables of figures, as those by subset, are left out: `plates lineage show` has them.
    """
    rows = []
    for section in ("params", "outputs", "code", "packages", "metrics"):
        left, right = _flat(getattr(first, section)), _flat(getattr(second, section))
        for key in sorted(left.keys() | right.keys()):
            if left.get(key) != right.get(key) and key != "by_subset":
                rows.append((f"{section}: {key}", left.get(key), right.get(key)))
    return rows


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(content, Mapping):
        return {prefix: content}
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
