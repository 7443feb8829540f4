"""The state a run began with, to compare with the state when it ends."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plates.errors import UserError
from plates.hashes import content_hash
from plates.settings.project import Project
from stages import code
from stages.stage import Stage

SHOWN = 5


@dataclass(frozen=True)
class Snapshot:
    """The code, parameters and inputs of a stage at one moment.

    `code` maps each source file to its MD5. `params` maps each declared key to its value in JSON's types. `inputs` maps
    each file that the stage reads to its size and modification time.
    """

    code: Mapping[str, str]
    params: Mapping[str, Any]
    inputs: Mapping[str, tuple[int, int]]

    @property
    def version(self) -> str:
        """A hash of code and parameters.

        Run configuration is not part of Dagster's data version (dagster issue 13826): the parameters belong here, so
        that an edit of `params.yaml` makes the asset stale in the UI (after reloading the definitions) as in DVC.
        """
        return hashlib.sha256(json.dumps([self.code, self.params], sort_keys=True).encode()).hexdigest()[:12]

    def require_unchanged(self, now: "Snapshot", stage: Stage) -> None:
        """Raises `UserError` if `now` differs: it is not certain which of the two the stage's output comes from."""
        found = [
            *_changed("code", self.code, now.code),
            *(f"params.yaml: {key} {self.params[key]} -> {now.params.get(key)}" for key in _differing(self, now)),
            *_changed("input", self.inputs, now.inputs),
        ]
        if found:
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise UserError(
                f"changed while {stage.name} was running: {'; '.join(found[:SHOWN])}{more}. The result comes from the "
                f"state before the change, so it is not recorded. Run again: plates run"
            )


def take(project: Project, stage: Stage) -> Snapshot:
    """The current snapshot, with the parameters that `project` read."""
    return Snapshot(
        code.hashes(stage) | dict(_sources(project, stage)),
        {key: _value(project, key) for key in stage.params},
        dict(_files(project, stage)),
    )


def _value(project: Project, key: str) -> Any:
    value: Any = project.all_params.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value


def _sources(project: Project, stage: Stage) -> Iterator[tuple[str, str]]:
    for path in stage.sources:
        yield path, content_hash(project.root / path) if (project.root / path).exists() else ""


def _files(project: Project, stage: Stage) -> Iterator[tuple[str, tuple[int, int]]]:
    for path in stage.reads:
        place = project.root / path
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                yield file.relative_to(project.root).as_posix(), file_status(file)


def file_status(file: Path) -> tuple[int, int]:
    """Size and modification time, in ns, of an input; zeros if it is gone."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _differing(first: Snapshot, second: Snapshot) -> list[str]:
    return [key for key in first.params if first.params[key] != second.params.get(key)]


def _changed(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [f"{what} {path}" for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
