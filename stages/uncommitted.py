"""Results that a blocking check has yet to judge: DVC is told of them once it has passed.

Until then `dvc.lock` is as before, so a result that failed its check, or that a kill kept from being checked, is made
again by the next `plates run`. DVC itself needs none of this: a stage that fails its check ends with an error.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from plates.errors import UserError
from plates.files import write_json
from plates.settings.project import Project
from stages.dvc_commit import commit
from stages.snapshot import Snapshot, file_status

FOLDER = "unchecked"
"""In the project's scratch folder: a file for each such stage, with the snapshot that it began with."""

Answer = Callable[[Project], dg.AssetCheckResult]


def keep(project: Project, stage: str, began: Snapshot) -> None:
    """Has the next blocking check of `stage` tell DVC of the result."""
    write_json(_file(project, stage), {name: dict(getattr(began, name)) for name in ("code", "params", "inputs")})


def forget(project: Project, stage: str) -> None:
    """What `keep` kept of an earlier result, which is replaced now, is no longer told."""
    _file(project, stage).unlink(missing_ok=True)


def blocking_check(*, asset: str, description: str) -> Callable[[Answer], dg.AssetChecksDefinition]:
    """A check that must pass before anything downstream is made, and before DVC counts the asset as made.

    An asset has one of them at most.
    """

    def declare(answer: Answer) -> dg.AssetChecksDefinition:
        def judge(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
            result = answer(project)
            if result.passed:
                _commit(project, asset)
            return result

        name: str = answer.__name__
        return dg.asset_check(name=name, asset=asset, blocking=True, description=description)(judge)

    return declare


def _commit(project: Project, stage: str) -> None:
    file = _file(project, stage)
    if "DVC_STAGE" in os.environ or not file.exists():
        return
    began = Snapshot(**json.loads(file.read_text(encoding="utf-8")))
    if other := [path for path, status in began.inputs.items() if list(file_status(project.path(path))) != status]:
        file.unlink()
        raise dg.Failure(
            description=f"{stage} was made from another {', '.join(other)}. Make it again: plates run",
            allow_retries=False,
        )
    try:
        commit(project.root, stage, began)
    except UserError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    file.unlink()


def _file(project: Project, stage: str) -> Path:
    return project.scratch / FOLDER / f"{stage}.json"
