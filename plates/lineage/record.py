"""Records: one file for every evaluation, saying which data, parameters and code produced which mAP."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plates.errors import UserError
from plates.files import write_json
from plates.lineage import environment

FOLDER = "lineage/records"
VERSION = 2
_FIRST = ("metrics", "outputs", "params", "code", "packages")
CONTENT = {1: _FIRST, 2: (*_FIRST, "parents")}
"""What a record's id is the hash of, by version. The rest says when and where, and is held by the seal."""


class Record(BaseModel):
    """What one evaluation came from. Written once, never changed.

    `outputs` maps every file and folder that the stages before it wrote to its content hash, back to the table of raw
    images, whose rows hold the SHA-256 of each photograph. `dvc_lock` and `params_yaml` are those files' text: with
    the cache's files they bring the whole state back (`plates lineage restore`).
    """

    model_config = ConfigDict(extra="forbid")

    version: int = Field(default=1, ge=1, le=VERSION, description="Of this schema; files without one are of the first.")
    id: str = Field(description="The hash of what was evaluated and how.")
    time: str = Field(description="When it was written, UTC, as the machine's clock said.")
    after: str | None = Field(default=None, description="The newest record that was there when this one was written.")
    metrics: dict[str, Any]
    outputs: dict[str, str]
    params: dict[str, Any]
    code: dict[str, Any] = Field(description="Commit, the files that differ from it, their hash and their patch.")
    packages: dict[str, str]
    parents: dict[str, Any] = Field(
        default_factory=dict, description="The weights that training started from: name, content hash, their record."
    )
    outcomes: str | None = Field(default=None, description="The content hash of data/outcomes.parquet.")
    machine: dict[str, Any]
    door: str | None = Field(default=None, description="The command that ran it, such as `plates run` or `dvc repro`.")
    runs: dict[str, str] = Field(default_factory=dict, description="Ids: Dagster's run, DVC's experiment.")
    params_yaml: str
    dvc_lock: str
    seal: str | None = Field(default=None, description="The hash of all the rest.")

    @property
    def short(self) -> str:
        """As much of the id as people are shown."""
        return self.id[:8]

    @property
    def seeds(self) -> dict[str, int]:
        """Every seed among the parameters, by its name."""
        return {key: value for key, value in flat(self.params).items() if key.rsplit(".", 1)[-1] == "seed"}


@dataclass(frozen=True)
class Unfit:
    """A file among the records that cannot be trusted, and why."""

    path: Path
    why: str


def write(
    root: Path,
    metrics: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    parents: Mapping[str, Any] | None = None,
    outcomes: str | None = None,
    door: str | None = None,
    runs: Mapping[str, str] | None = None,
) -> Record:
    """Writes the record of the current evaluation in `root`, and returns it.

    Its name is the hash of what was evaluated and how: an evaluation repeated to the same figures from the same data,
    parameters, code and packages is the same record, and keeps its first time, machine and commit.
    """
    lock = (root / "dvc.lock").read_text(encoding="utf-8")
    before = read_all(root)
    content = {
        "version": VERSION,
        "id": "",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "after": before[-1].id if before else None,
        "metrics": dict(metrics),
        "outputs": outputs(lock),
        "params": dict(params),
        "code": environment.code(root),
        "packages": environment.packages(),
        "parents": dict(parents or {}),
        "outcomes": outcomes,
        "machine": environment.machine(),
        "door": door,
        "runs": dict(runs or {}),
        "params_yaml": (root / "params.yaml").read_text(encoding="utf-8"),
        "dvc_lock": lock,
    }
    record = sealed(Record.model_validate_json(json.dumps(content)))  # its hashes are of what a reader gets
    same = [old for old in before if old.id == record.id]
    if not same:
        write_json(root / FOLDER / f"{record.id}.json", record.model_dump())
    return same[0] if same else record


def sealed(record: Record) -> Record:
    """The record with the id and the seal that its content gives it."""
    named = record.model_copy(update={"id": identity(record)})
    return named.model_copy(update={"seal": seal(named)}) if named.version > 1 else named


def identity(record: Record) -> str:
    """The id that the record's content gives it."""
    content = record.model_dump(include=set(CONTENT[record.version]))
    if record.version > 1:
        content["code"] = content["code"]["tree"]
    return _hash(content)


def seal(record: Record) -> str:
    """The hash of everything in a record but the seal itself."""
    return _hash(record.model_dump(exclude={"seal"}))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def outputs(lock: str) -> dict[str, str]:
    """The content hash of every output that `dvc.lock` holds, up to and without the card and the champion.

    Raises:
        UserError: it is damaged.
    """
    try:
        return {
            out["path"]: out["md5"]
            for name, stage in yaml.safe_load(lock)["stages"].items()
            if name not in ("model_card", "champion")
            for out in stage.get("outs", [])
            if not out["path"].startswith("reports/")
        }
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(
            "dvc.lock is damaged, so no record can say what was made. Restore it: git checkout HEAD -- dvc.lock"
        ) from None


def read(path: Path) -> Record:
    """Reads one record.

    Raises:
        UserError: the file is not a record, or was changed after it was written.
    """
    again = f"Restore it: git checkout -- {path}"
    try:
        record = Record.model_validate_json(path.read_text(encoding="utf-8"))
        if record.version > 1 and "tree" not in record.code:
            raise ValueError("the hash of the code is missing")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} is not a record: {where and where + ': '}{first['msg']}. {again}") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not a record: {error}. {again}") from None
    if not record.id == path.stem == identity(record) or (record.version > 1 and record.seal != seal(record)):
        raise UserError(f"{path} was changed after it was written: its id is not the hash of its content. {again}")
    return record


def read_all(root: Path) -> list[Record]:
    """Every trustworthy record of the project, oldest first; `unfit` names the others.

    A record comes after the one that was there when it was written, whatever the clock said.
    """
    records = {record.id: record for record in (_read(path) for path in _files(root)) if isinstance(record, Record)}
    return sorted(records.values(), key=lambda record: _place(record, records))


def unfit(root: Path) -> list[Unfit]:
    """The files among the records that are damaged, or were changed after they were written."""
    return [found for found in (_read(path) for path in _files(root)) if isinstance(found, Unfit)]


def find(root: Path, prefix: str) -> Record:
    """The record whose id begins with `prefix`.

    Raises:
        UserError: there is none, more than one, or it cannot be trusted.
    """
    paths = [path for path in _files(root) if path.stem.startswith(prefix)]
    if len(paths) != 1:
        what = "no record" if not paths else f"{len(paths)} records"
        again = "" if paths else f"; restore deleted ones: git checkout -- {FOLDER}"
        raise UserError(f"{what} with an id that begins with {prefix!r}. List them: plates lineage{again}")
    return read(paths[0])


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with keys such as `train.seed`."""
    if not isinstance(content, Mapping):
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _files(root: Path) -> list[Path]:
    return sorted((root / FOLDER).glob("*.json"))


def _read(path: Path) -> Record | Unfit:
    try:
        return read(path)
    except UserError as error:
        return Unfit(path, str(error))


def _place(record: Record, records: Mapping[str, Record]) -> tuple[str, int, str]:
    """Sorts by the latest time on the way back to the first record, so that a clock set back changes no order."""
    latest, steps, at = record.time, 0, record.after
    while at is not None and at in records and steps < len(records):
        latest, steps, at = max(latest, records[at].time), steps + 1, records[at].after
    return latest, steps, record.id
