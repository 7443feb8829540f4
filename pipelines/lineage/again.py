"""Runs the stages of a record again in a separate folder, as recorded in its `dvc.lock`."""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.repro import environment
from plates import files
from plates.errors import UserError
from plates.lineage.origin import Steps
from stages.code import ROOT

LAST = 2000
"""Characters of a failing stage's output to show."""


def run(folder: Path, steps: Steps, stages: Sequence[str], say: Callable[[str], None]) -> None:
    """Runs the commands of stages in order, with DVC or without it.

    Args:
        folder: the project, with its code and everything that the stages read.
        steps: those of the record whose code it is.
        stages: names of the stages.
        say: takes a line before each stage.

    Raises:
        UserError: a stage fails.
    """
    for stage in stages:
        say(f"{stage} …")
        _call(folder, stage, str(steps.stages[stage]["cmd"]))


def reproduce(folder: Path, stages: Sequence[str], say: Callable[[str], None]) -> None:
    """The same through DVC and the folder's `dvc.yaml`; results made before come from DVC's cache.

    Raises:
        UserError: DVC is not installed, or a stage fails.
    """
    if importlib.util.find_spec("dvc") is None:
        raise UserError("DVC is not installed, but is needed to run the stages: pip install dvc")
    for stage in stages:
        say(f"  {stage} …")
        _call(folder, stage, shlex.join([sys.executable, "-m", "dvc", "repro", "--single-item", stage]))


def _call(folder: Path, stage: str, command: str) -> None:
    dropped = ("PLATES_ROOT", "DAGSTER_HOME", "DVC_EXP_NAME", "DVC_STAGE")
    kept = {name: value for name, value in environment().items() if name not in dropped}
    paths = [path for path in kept.pop("PYTHONPATH", "").split(os.pathsep) if path and Path(path).resolve() != ROOT]
    own = {"PYTHONPATH": os.pathsep.join([str(folder), *paths]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env={**kept, **own}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-LAST:]
        raise UserError(f"{stage} failed in {folder}:\n{said}")


def remove(folder: Path, steps: Steps, stages: Sequence[str]) -> None:
    """Removes the stages' outputs, so that they are made again."""
    for stage in stages:
        for out in steps.stages[stage].get("outs", []):
            if os.path.lexists(folder / out["path"]):
                files.remove(folder / out["path"])
