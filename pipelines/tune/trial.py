"""One trial: `dvc exp run --temp` with other settings, watched while it trains.

The experiment runs in a folder of DVC's, so you can keep working in the project. Scores are on val, never on test:
the figure a search chooses by does not measure what it chose.
"""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from assets.checkpoint import STEPS
from pipelines.inputs import PUBLISHED
from pipelines.repro import environment, interruptible
from plates.errors import UserError
from plates.files import write_json
from plates.metrics import SCORES
from plates.settings.project import Project
from stages.processes import Process

POLL_S = 0.5
LAST = "evaluation"
"""The stage that gives the score."""
MANIFEST = "data/tfrecords/manifest.json"
PRETRAINED, TEACHER = "model.pretrained", "train.teacher"
RUNNING = ".process"
"""The ending of a file with the process of a trial, while it runs."""
FIGURES = ("mAP", "mask_iou")
"""The figures a trial is judged by: the first that the model has."""
Stop = Callable[[int, float], bool]


class Failed(Exception):
    """The experiment ended with this error."""


def run(project: Project, name: str, settings: Mapping[str, Any], log: Path, stop: Stop) -> float | None:
    """Runs an experiment up to its evaluation on val, and keeps it in DVC under `name`.

    Args:
        log: takes what DVC and the stages print.
        stop: called with each evaluation during training (step, score); true ends the trial, which is then not kept.

    Returns:
        The score on val; None: stopped.

    Raises:
        Failed: a stage or DVC failed; `log` has the rest.
    """
    settings = dict(_paths(project)) | {key: _absolute(project, key, value) for key, value in settings.items()}
    words = [word for key, value in settings.items() for word in ("-S", f"{key}={hydra(value)}")]
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *words]
    with log.open("w", encoding="utf-8") as output:
        process = interruptible(
            [*command, LAST],
            cwd=project.root,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running, seen = log.with_suffix(RUNNING), 0
    write_json(running, asdict(Process.of(process.pid)))
    try:
        while process.poll() is None:
            for step, score in list(_validations(process))[seen:]:
                seen += 1
                if stop(step, score):
                    return None
            time.sleep(POLL_S)
    finally:
        _end(psutil.Process(process.pid) if process.poll() is None else None)
        process.wait()
        running.unlink(missing_ok=True)
    if process.returncode:
        raise Failed(_last_words(log))
    _require_same_photographs(project, name)
    return _score(project.root, name)


def end_left(folder: Path, study: str) -> None:
    """Ends trials of a study that train on although the search was killed."""
    trial = re.compile(rf"{re.escape(study)}-\d+")  # a study's name may begin another's
    for file in folder.glob(f"*{RUNNING}"):
        if not trial.fullmatch(file.stem):
            continue
        left = Process(**json.loads(file.read_text(encoding="utf-8")))
        if left.ended() is False:
            _end(psutil.Process(left.pid))
        file.unlink()


def hydra(value: Any) -> str:
    """The value as DVC's `-S` reads it, which is Hydra's grammar."""
    if isinstance(value, str):
        before_quotes = re.sub(r"(\\*)'", r"\1\1\\'", value)
        return "'" + re.sub(r"(\\+)$", r"\1\1", before_quotes) + "'"
    return json.dumps(value)


def _paths(project: Project) -> Iterator[tuple[str, str]]:
    """The settings that name files which the experiment's folder lacks, as absolute paths.

    The sample is drawn again there, to the same bytes.
    """
    if not project.draws_sample:
        yield "data.root", str(project.photographs)
    if project.annotations:
        yield "data.annotations", str(project.annotations)
    for key, value in ((PRETRAINED, project.params.model.pretrained), (TEACHER, project.params.train.teacher)):
        if value and (absolute := _absolute(project, key, value)) != value:
            yield key, absolute


def _absolute(project: Project, key: str, value: Any) -> Any:
    """A setting that names weights, as a path that means the same in the experiment's folder; others as they are."""
    if key not in (PRETRAINED, TEACHER) or not isinstance(value, str) or value in PUBLISHED:
        return value
    return str(project.resolve(value))


def _require_same_photographs(project: Project, name: str) -> None:
    """Raises `UserError` if photographs came or went since the project's TFRecords, which the search began with."""
    import dvc.api

    mine = project.path(MANIFEST).read_text(encoding="utf-8")
    if dvc.api.read(MANIFEST, repo=str(project.root), rev=name) != mine:
        raise UserError(
            f"experiment {name} was made of other photographs or labels than the search began with, so its score does "
            "not compare. Take them in, and search anew: plates run; plates tune --name OTHER"
        )


def _validations(process: "subprocess.Popen[bytes]") -> Iterator[tuple[int, float]]:
    """The evaluations of the training so far."""
    for path in _step_logs(process):
        with path.open(newline="", encoding="utf-8") as stream:
            for line in csv.DictReader(stream):
                if line.get("validation") and line.get("memory_mib"):  # the last line may be half written
                    yield int(line["step"]), float(line["validation"])


def _step_logs(process: "subprocess.Popen[bytes]") -> Iterator[Path]:
    """The step log in the folder that a stage of the experiment works in, once it is there."""
    try:
        for stage in psutil.Process(process.pid).children(recursive=True):
            if (path := Path(stage.cwd()) / STEPS).is_file():
                yield path
                return
    except psutil.Error:
        return


def _end(process: psutil.Process | None) -> None:
    """Interrupts an experiment that is still running, and waits; DVC then removes its folder."""
    if process is not None:
        for one in (*process.children(recursive=True), process):
            one.send_signal(signal.SIGINT)
        process.wait()


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return next(iter(errors or lines[-1:]), "DVC said nothing").partition(": ")[2] or lines[-1]


def _score(root: Path, name: str) -> float:
    import dvc.api

    scores = json.loads(dvc.api.read(SCORES, repo=str(root), rev=name))
    found = next((scores[figure] for figure in FIGURES if scores.get(figure) is not None), None)
    if found is None:
        raise UserError(f"experiment {name} has none of {', '.join(FIGURES)} in {SCORES}")
    return float(found)
