"""What every asset of the graph shares: its row in `dvc.yaml`, its versions, its errors, and its word to DVC."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from plates.errors import UserError
from plates.hashes import content_hash
from plates.quiet import import_tensorflow
from plates.settings.project import Project
from stages.dvc_commit import commit
from stages.progress import Progress


@dataclass(frozen=True)
class Stage:
    """One stage of `dvc.yaml`.

    `outputs` are the files that make its data version: those whose content DVC caches, or all of them where it caches
    none. Reports carry the time that they were made at and are no data.
    """

    name: str
    code: Sequence[str]
    inputs: Sequence[str]
    params: Sequence[str]
    outputs: Sequence[str]


@cache
def defined_in() -> Project:
    """The project whose graph this process defines; `params.yaml` is read once for all assets."""
    return Project.find()


@cache
def stages(root: Path) -> dict[str, Stage]:
    """The stages of the project's `dvc.yaml`, by name."""
    content = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    found = {}
    for name, entry in content.items():
        outs = [
            item if isinstance(item, dict) else {item: {}} for key in ("outs", "metrics") for item in entry.get(key, [])
        ]
        flat = {path: options for item in outs for path, options in item.items()}
        cached = [path for path, options in flat.items() if options.get("cache", True)]
        deps = entry.get("deps", [])
        code = [path for path in deps if not path.startswith(("data/", "models/", "metrics/"))]
        found[name] = Stage(
            name,
            code,
            [path for path in deps if path not in code],
            entry.get("params", []),
            cached or list(flat),
        )
    return found


def code_version(project: Project, stage: Stage) -> str:
    """A hash of the code and the parameters that `dvc.yaml` names for the stage.

    Run configuration is no part of Dagster's data version (dagster issue 13826): the parameters belong here, so that an
    edit of `params.yaml` makes the asset stale in the UI (after reloading the definitions) as it does for DVC.
    """
    digest = hashlib.sha256()
    for path in stage.code:
        source = project.root / path
        inside = (file for file in source.rglob("*") if file.suffix in (".py", ".j2"))
        for file in sorted(inside) if source.is_dir() else [source]:
            if file.is_file():
                digest.update(file.read_bytes())
    values = project.params.model_dump(mode="json")
    for key in stage.params:
        value: Any = values
        for part in key.split("."):
            value = value[part]
        digest.update(json.dumps([key, value], sort_keys=True).encode())
    return digest.hexdigest()[:12]


class Run:
    """What the body of an asset gets: the project and a way to show progress."""

    def __init__(self, project: Project, log: dg.DagsterLogManager) -> None:
        self.project = project
        self.params = project.params
        self.log = log
        self.progress = Progress(log)


Body = Callable[[Run], Mapping[str, Any]]


def asset(
    *,
    deps: Sequence[str] = (),
    group: str,
    kinds: set[str],
    description: str | None,
    pool: str | None = None,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Makes the asset named after `body`, which reads files, calls the domain, writes files, returns its metadata."""

    def wrap(body: Body) -> dg.AssetsDefinition:
        name = body.__name__
        project = defined_in()
        stage = stages(project.root)[name]

        @dg.asset(
            name=name,
            deps=list(deps),
            group_name=group,
            kinds=kinds,
            description=description,
            code_version=code_version(project, stage),
            pool=pool,
        )
        def materialize(context: dg.AssetExecutionContext, project: dg.ResourceParam[Project]) -> dg.MaterializeResult:
            started = time.monotonic()
            run = Run(project, context.log)
            try:
                require(project, stage)
                if "tensorflow" in kinds:
                    import_tensorflow()
                metadata = dict(body(run))
            except UserError as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error
            finally:
                run.progress.close()
            metadata["seconds"] = round(time.monotonic() - started, 1)
            if "DVC_STAGE" not in os.environ:
                commit(project.root, name)
            hashes = [content_hash(project.path(path)) for path in stage.outputs]
            version = hashes[0] if len(hashes) == 1 else hashlib.md5("".join(hashes).encode()).hexdigest()
            return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))

        return materialize

    return wrap


def require(project: Project, stage: Stage) -> None:
    """`UserError` where an input of the stage is not there yet."""
    missing = [path for path in stage.inputs if not project.path(path).exists()]
    if missing:
        raise UserError(
            f"needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not there yet. "
            f"Run `plates run`, or materialize what comes before."
        )
