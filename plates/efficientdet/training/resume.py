"""The state of a run, so that a killed one continues exactly where it was: the same weights as if it never stopped.

`work_dir/state/` holds `state.npz` (raw weights, batch-norm statistics, random states, the optimizer with its
moments, averages and step), `state.json` (step, best evaluation so far, fingerprint) and `history.csv`. It is
replaced as a whole.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from plates.efficientdet.training.history import History
from plates.errors import UserError
from plates.files import atomic, put_back, write_json

STATE = "state"


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        best: the highest evaluation so far, made after `best_step`.
        notes: what was warned of.
        loaded: the `LoadReport` of the weights that it started from, in JSON's types.
        named: findings that are named once in a run.
    """

    step: int = 0
    best: float | None = None
    best_step: int = 0
    history: History = field(default_factory=History)
    notes: list[str] = field(default_factory=list)
    loaded: dict[str, Any] | None = None
    named: list[str] = field(default_factory=list)


def collect(detector: keras.Model) -> dict[str, np.ndarray]:
    """Every array that the next step depends on, by its place."""
    return {key: keras.ops.convert_to_numpy(variable) for key, variable in _variables(detector).items()}


def save(work_dir: Path, arrays: dict[str, np.ndarray], progress: Progress, fingerprint: dict[str, Any]) -> None:
    """Replaces the state in `work_dir`."""
    with atomic(work_dir / STATE) as folder:
        folder.mkdir()
        np.savez(folder / "state.npz", **arrays)  # type: ignore[arg-type]
        progress.history.write(folder / "history.csv")
        content = {
            "step": progress.step,
            "best": progress.best,
            "best_step": progress.best_step,
            "notes": progress.notes,
            "loaded": progress.loaded,
            "named": progress.named,
            "fingerprint": fingerprint,
        }
        write_json(folder / "state.json", content)


def load(work_dir: Path, fingerprint: dict[str, Any], say: Callable[[str], None]) -> Progress | None:
    """The progress of the run in `work_dir`, or None if there is none to resume.

    A state with another fingerprint (other data, parameters or code) is never resumed: the folder is moved aside, and
    its new place and the differences are reported.
    """
    folder = work_dir / STATE
    put_back(folder)
    if not (folder / "state.json").is_file():
        return None
    try:
        content = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        differing = _differences(content["fingerprint"], json.loads(json.dumps(fingerprint)))
    except (ValueError, KeyError, TypeError) as error:
        raise _unusable(folder / "state.json", work_dir, error) from error
    if differing:
        number = 1
        while (aside := work_dir.with_name(f"{work_dir.name}.stale-{number}")).exists():
            number += 1
        work_dir.rename(aside)
        say(
            f"The unfinished run at step {content['step']} in {work_dir} has another configuration "
            f"({', '.join(differing[:5])}{f' and {len(differing) - 5} more' if len(differing) > 5 else ''}): starting "
            f"over. The old one was moved to {aside}."
        )
        return None
    history = History.read(folder / "history.csv")
    best = content["best"], content["best_step"]
    return Progress(content["step"], *best, history, content["notes"], content["loaded"], content["named"])


def restore(work_dir: Path, detector: keras.Model) -> None:
    """Puts the saved arrays into a built `detector` and its built optimizer.

    Raises:
        UserError: the state is damaged or of another network.
    """
    path = work_dir / STATE / "state.npz"
    variables = _variables(detector)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = set(arrays.files)
            if found != set(variables):
                raise ValueError(f"{len(found ^ set(variables))} of {len(variables)} arrays have no counterpart")
            for key, variable in variables.items():
                variable.assign(arrays[key])
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise _unusable(path, work_dir, error) from error


def _unusable(path: Path, work_dir: Path, error: Exception) -> UserError:
    return UserError(
        f"The state of the unfinished run in {path} cannot be used ({error}). Start over: rm -r {work_dir}; then the "
        "same command"
    )


def remove(work_dir: Path) -> None:
    """Removes a run's folder; if killed, what is left is not a state to resume from."""
    (work_dir / STATE / "state.json").unlink(missing_ok=True)
    shutil.rmtree(work_dir)


def _variables(detector: keras.Model) -> dict[str, keras.Variable]:
    """By place: Keras numbers names by how many objects the process has made before."""
    parts = {"network": detector.network.variables, "optimizer": detector.optimizer.variables}
    return {
        f"{part}.{place}": variable for part, variables in parts.items() for place, variable in enumerate(variables)
    }


def _differences(ours: Any, theirs: Any, name: str = "") -> list[str]:
    """Dotted names of the entries in which two nested dictionaries differ, with both values if they are short."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            difference
            for key in sorted(ours.keys() | theirs.keys())
            for difference in _differences(ours.get(key), theirs.get(key), f"{name}.{key}" if name else key)
        ]
    if ours == theirs:
        return []
    short = all(not isinstance(value, dict | list) and len(str(value)) <= 12 for value in (ours, theirs))
    return [f"{name}: {ours} before, {theirs} now" if short else name]
