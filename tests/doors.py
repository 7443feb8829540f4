"""Both doors to a project, in this process: a run through either takes a second in place of its start-up.

Dagster's asset and DVC's `repro`, `commit`, `status` and `checkout` are the real ones; only the processes that `plates`
and `dvc` start for each other are left out.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from clones import clone
from power.failing import FAILING

import assets
from plates.ccpd.scenes import generate
from plates.hashes import content_hash
from plates.settings import edit
from plates.settings.project import Project
from stages import dvc_commit
from stages.asset import definition

GRAPH = assets.graph()
DATA = ("raw_images", "labels", "boxes", "splits", "tfrecords", "anchors")
FIRST = 14
"""Photographs of the project at the start; as many wait to come."""


class Killed(BaseException):
    """Ends the code that runs, as a kill does: what it would still do to files fails, too."""


class Doors:
    """The project in `root`, with the stages `names`.

    Attributes:
        made: the data version of each asset at its last materialization.
    """

    def __init__(self, root: Path, names: Sequence[str], instance: dg.DagsterInstance) -> None:
        self.root, self.names, self._instance = root, list(names), instance
        self.made: dict[str, str] = {}

    def materialize(self, name: str) -> str | None:
        """As `plates materialize NAME`: what went wrong, in words."""
        project = Project(self.root)
        made = definition(GRAPH[name], assets.writers(GRAPH), project)
        result = dg.materialize(
            [made], instance=self._instance, resources={"project": project}, raise_on_error=False, run_config=QUIET
        )
        for event in result.all_events:
            if event.event_type == dg.DagsterEventType.STEP_FAILURE:
                failure = event.step_failure_data
                if failure.error and failure.error.cls_name == Killed.__name__:
                    raise Killed
                assert failure.user_failure_data, f"{name}: no words: {failure.error and failure.error.to_string()}"
                return failure.user_failure_data.description
        event = self._instance.get_latest_materialization_event(dg.AssetKey(name))
        assert event
        assert event.asset_materialization
        self.made[name] = (event.asset_materialization.tags or {})["dagster/data_version"]
        return None

    def repro(self) -> str | None:
        """As `dvc repro`: what went wrong, in words."""
        from dvc.exceptions import DvcException, ReproductionError

        try:
            with self._repo() as repo:
                repo.reproduce(targets=self.names)
        except (DvcException, ReproductionError) as error:
            return str(error.__cause__ or error)
        return None

    def status(self) -> dict[str, Any]:
        """As `dvc status`."""
        with self._repo() as repo:
            return dict(repo.status(targets=self.names))

    def checkout(self) -> None:
        """As `dvc checkout`."""
        with self._repo() as repo:
            repo.checkout(targets=[name for name in self.names if name in self.lock()], force=True, allow_missing=True)

    def lock(self) -> dict[str, dict[str, str]]:
        """The hash of every output in `dvc.lock`, by stage."""
        import yaml

        file = self.root / "dvc.lock"
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
        stages = (content or {}).get("stages", {})
        return {name: {out["path"]: out["md5"] for out in entry["outs"]} for name, entry in stages.items()}

    def hashes(self, name: str) -> dict[str, str]:
        """The hash of every versioned output of a stage as it lies there."""
        places = {out.path: self.root / out.path for out in GRAPH[name].writes if out.tracked}
        return {path: content_hash(place) for path, place in places.items() if place.exists()}

    def _repo(self) -> Any:
        from dvc.repo import Repo

        return Repo(str(self.root))


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def in_process(doors: Doors) -> Iterator[None]:
    """DVC's stages call the asset, and the asset's word to DVC calls DVC, without a process between."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.exceptions import StageCmdFailedError

    def run_stage(stage: Any, **_: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DVC_STAGE", stage.name)
            try:
                wrong = doors.materialize(stage.name)
            except Killed:
                wrong = "killed"
        if wrong:
            raise StageCmdFailedError(wrong, 1)

    def commit(words: Sequence[str], cwd: Path, **_: Any) -> Any:
        try:
            with Repo(str(cwd)) as repo:
                repo.commit(words[-1], force=True)
        except DvcException as error:
            return SimpleNamespace(returncode=1, stderr=str(error))
        return SimpleNamespace(returncode=0, stderr="")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvc.stage.run.cmd_run", run_stage)
        patch.setattr(dvc_commit, "subprocess", SimpleNamespace(run=commit))
        patch.chdir(doors.root)
        patch.delenv("DVC_STAGE", raising=False)
        yield


@contextmanager
def killed_at(number: int, root: Path) -> Iterator[list[str]]:
    """From the `number`-th operation on, nothing more happens to files under `root`. Yields where it was killed."""
    calls, at = 0, []

    def or_killed(name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def called(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            if str(arguments[0]).startswith(f"{root}/data"):
                calls += 1
                if calls > number:
                    at.append(f"{name} {arguments[0]}")
                    raise Killed
            return operation(*arguments, **options)

        return called

    with pytest.MonkeyPatch.context() as patch:
        for name in FAILING:
            if name not in ("open", "fsync"):
                patch.setattr(os, name, or_killed(name, getattr(os, name)))
        yield at


def make(folder: Path) -> None:
    """A project whose data assets ran, its photographs beside it, and scenes that wait to become some."""
    generate(folder / "scenes", count=40, seed=3)
    for scene in sorted((folder / "scenes").rglob("*.jpg"))[:FIRST]:
        put(scene, folder)
    root = clone(folder / "project")
    start = {
        "data.root": "../photographs", "tfrecords.workers": 1, "model.image_size": "96x160",
        "validation.max_class_share": 1.0,
    }  # fmt: skip
    edit.write(root / "params.yaml", start)
    with dg.DagsterInstance.ephemeral() as instance, in_process(doors := Doors(root, DATA, instance)):
        assert doors.repro() is None


def put(scene: Path, place: Path) -> None:
    """Copies a scene to the photographs in `place`."""
    target = place / "photographs" / scene.relative_to(next(up for up in scene.parents if up.name == "scenes"))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(scene, target)
