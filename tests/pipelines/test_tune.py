"""`plates tune`: what is searched, a study that goes on after a kill, and trials that are real DVC experiments."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from clones import Command
from hypothesis import given
from hypothesis import strategies as st

from pipelines import experiments
from pipelines.tune import space, study, trial
from pipelines.tune.space import Choice, Range
from plates.errors import UserError
from plates.settings.project import Project
from stages.processes import Process

RATE = "train.learning_rate"
STEPS = 30


def test_ranges_and_choices_are_read() -> None:
    words = [f"{RATE}=0.002:0.1:log", "train.batch_size=4:16", "train.optimizer=sgd,adamw", "train.patience=null,3"]
    assert space.parse(words) == {
        RATE: Range(0.002, 0.1, log=True),
        "train.batch_size": Range(4, 16),
        "train.optimizer": Choice(("sgd", "adamw")),
        "train.patience": Choice((None, 3)),
    }


def test_what_is_searched_by_default_holds_the_default_settings() -> None:
    from plates.lineage.record import flat
    from plates.settings.params import Params

    usual = flat(Params().model_dump(mode="json"))
    assert all(found.holds(usual[key]) for key, found in space.parse(space.DEFAULT).items())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.lerning_rate=1:2"], "did you mean train.learning_rate"),
        (["train=1:2"], "train is a section"),
        (["data.sample.count=20,40"], "only settings of model, train, augment"),
        (["train.steps=10:50"], "--steps sets it"),
        ([f"{RATE}=0.1:0.01"], "a range must ascend"),
        ([f"{RATE}=0:0.1:log"], "start above 0"),
        ([f"{RATE}=0.01:0.1:linear"], "write KEY=LOW:HIGH"),
        ([f"{RATE}=low:high"], "could not convert"),
        (["train.batch_size=0.5:2"], "train.batch_size=0.5:2"),
        (["train.batch_size=8"], "two or more different values"),
        (["train.batch_size=8,8"], "different values"),
        (["train.optimizer=sgd,sdg"], "should be 'sgd', 'adam' or 'adamw'"),
        (["augment.jitter_min=-1:0.5"], "should be greater than 0"),
        ([f"{RATE}=0.01:0.1", f"{RATE}=0.1:1"], "occurs twice"),
        ([RATE], "write KEY=LOW:HIGH"),
    ],
)
def test_a_bad_space_is_refused_in_words(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=r"^--space ") as refused:
        space.parse(words)
    assert said in str(refused.value)


@given(st.text(alphabet="ab'\\\",(|)*[]{} =:%", max_size=12) | st.floats(allow_nan=False, allow_infinity=False))
def test_dvc_reads_a_value_as_it_was_meant(value: str | float) -> None:
    from dvc.utils.hydra import to_hydra_overrides

    (override,) = to_hydra_overrides([f"train.x={trial.hydra(value)}"])
    found = override.value()
    assert str(found) == value if isinstance(value, str) else found == value


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project as far as a study reads it."""
    (tmp_path / "params.yaml").write_text(f"train: {{steps: 400, learning_rate: {OWN}}}\n")
    (tmp_path / "data/tfrecords").mkdir(parents=True)
    (tmp_path / "data/tfrecords/manifest.json").write_text("{}")
    return Project(tmp_path)


OWN, BEST = 0.024, 0.01


class Trained:
    """Stands for training: the nearer the rate to `BEST` the better, known better with each evaluation."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.tried: list[float] = []
        self.killed_at = killed_at

    def __call__(
        self, project: Project, name: str, settings: Mapping[str, Any], log: Path, stop: trial.Stop
    ) -> float | None:
        assert settings["train.steps"] == STEPS
        assert settings["evaluation.split"] == "val"
        if len(self.tried) == self.killed_at:
            raise KeyboardInterrupt
        self.tried.append(settings[RATE])
        if settings[RATE] > 0.09:
            raise trial.Failed("the loss is NaN")
        score = 1 / (1 + abs(settings[RATE] - BEST) / BEST)
        for share in (1, 2, 3):
            if stop(share * STEPS // 3, score * share / 3):
                return None
        return score


def a_study(project: Project, words: tuple[str, ...] = (f"{RATE}=0.002:0.1:log",), steps: int = STEPS) -> study.Study:
    """The study `tune` of the project."""
    pytest.importorskip("optuna")
    return study.Study(project, "tune", space.parse(words), steps, print)


def test_the_search_finds_the_best_rate_and_begins_with_the_project_s_own(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained()
    monkeypatch.setattr(trial, "run", trained)
    search = a_study(project)
    search.search(25)
    assert len(search.done()) == 25
    assert trained.tried[0] == OWN
    assert search.best().value > 1 / (1 + abs(OWN - BEST) / BEST)
    states = {one.state for one in search.done()}
    assert search.states.PRUNED in states
    best = search.settings(search.best().params)[RATE]
    assert best in trained.tried
    assert len(f"{best:g}".replace("0.", "").lstrip("0")) <= space.DIGITS


def test_a_killed_study_goes_on_with_the_trial_that_was_at_work(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(killed_at=3)
    monkeypatch.setattr(trial, "run", trained)
    with pytest.raises(KeyboardInterrupt):
        a_study(project).search(6)
    before = list(trained.tried)
    trained.killed_at = None
    search = a_study(project)
    at_work = search.study.trials[-1]
    assert at_work.state == search.states.RUNNING
    assert len(search.done()) == 3
    search.search(6)
    assert len(search.done()) == 6
    assert trained.tried[:3] == before
    assert trained.tried[3] == search.settings(at_work.params)[RATE]
    again = len(trained.tried)
    a_study(project).search(6)
    assert len(trained.tried) == again


def test_what_was_tried_is_not_trained_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Trained()
    monkeypatch.setattr(trial, "run", trained)
    search = a_study(project, ("train.optimizer=sgd,adamw", f"{RATE}=0.01,0.02"))
    search.search(12)
    whole = [one for one in search.study.trials if one.state == search.states.COMPLETE]
    assert len(trained.tried) < len(whole)


def test_a_failed_trial_is_no_score(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "run", Trained())
    search = a_study(project, (f"{RATE}=0.095:0.1",))
    search.search(2)
    assert [one.value for one in search.done()] == [None] * 2
    with pytest.raises(UserError, match="no trial of tune was completed: the loss is NaN"):
        search.best()


def test_failures_in_a_row_end_the_search_and_are_tried_again_later(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> float:
        raise trial.Failed("no space left on device")

    with monkeypatch.context() as now:
        now.setattr(trial, "run", full)
        with pytest.raises(UserError, match=r"3 trials in a row failed: no space left.*the same command continues"):
            a_study(project).search(20)
    monkeypatch.setattr(trial, "run", Trained())
    search = a_study(project)
    search.search(4)
    assert len(search.done()) == 4
    assert all(one.value is not None for one in search.done())


@pytest.mark.parametrize("name", ["my study", "a/b", "..", "-x", ""])
def test_a_name_that_is_none_for_git_is_refused(project: Project, name: str) -> None:
    with pytest.raises(UserError, match="only letters, digits, - and _"):
        study.Study(project, name, space.parse(space.DEFAULT), STEPS, print)


def test_another_search_of_the_same_name_is_refused(project: Project) -> None:
    a_study(project)
    with pytest.raises(UserError, match="--steps changed since"):
        a_study(project, steps=2 * STEPS)
    with pytest.raises(UserError, match="--space changed since"):
        a_study(project, (f"{RATE}=0.002:0.2:log",))
    at_work = a_study(project)
    for edited in ("train: {steps: 400, gamma: 2.0}", "split: {seed: 7}", "evaluation: {max_detections: 3}"):
        (project.root / "params.yaml").write_text(edited)
        for search in (at_work.search, lambda count: a_study(Project(project.root))):
            with pytest.raises(UserError, match=r"params.yaml changed since"):
                search(1)
    (project.root / "params.yaml").write_text(f"train: {{steps: 400, learning_rate: {OWN}}}\ngate: {{margin: 0.1}}\n")
    a_study(Project(project.root))


def test_without_optuna_it_says_what_to_install(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'plates\[tune\]'"):
        study.Study(project, "tune", space.parse(space.DEFAULT), STEPS, print)


TRAINS = """
import json, time, yaml
from pathlib import Path

params = yaml.safe_load(Path("params.yaml").read_text())
Path("metrics").mkdir(exist_ok=True)
with Path("metrics/history.csv").open("w") as log:
    log.write("step,validation,memory_mib\\n")
    for step in range(1, params["train"]["steps"] + 1):
        log.write(f"{step},{step / 10 if step % 2 == 0 else ''},9\\n")
        log.flush()
        time.sleep(0.05)
Path("metrics/scores.json").write_text(json.dumps({"mAP": params["train"]["learning_rate"]}))
"""
STAGE = {"cmd": "python trains.py", "params": ["train"], "deps": ["trains.py"]}


@pytest.fixture
def trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of DVC with one stage, which takes a twentieth of a second a step and scores its learning rate."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (tmp_path / "trains.py").write_text(TRAINS)
    (tmp_path / "params.yaml").write_text("data: {root: photographs}\ntrain: {steps: 4, learning_rate: 0.5}\n")
    stage = STAGE | {"metrics": [{"metrics/scores.json": {"cache": False}}]}
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"evaluation": stage}}))
    (tmp_path / ".gitignore").write_text("metrics/history.csv\n")
    (tmp_path / trial.MANIFEST).parent.mkdir(parents=True)
    (tmp_path / trial.MANIFEST).write_text("{}")
    for words in (["init", "--quiet"], ["config", "user.email", "t@example.com"], ["config", "user.name", "t"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=tmp_path, check=True)
    for words in (["add", "--all"], ["commit", "--quiet", "-m", "start"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return Project(tmp_path)


def test_weights_are_named_so_that_the_experiment_s_folder_finds_them(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("model: {pretrained: models/champion}\ntrain: {teacher: teacher}\n")
    paths = dict(trial._paths(Project(tmp_path)))
    assert paths == {trial.PRETRAINED: f"{tmp_path}/models/champion", trial.TEACHER: f"{tmp_path}/teacher"}
    (tmp_path / "params.yaml").write_text(f"model: {{pretrained: coco}}\ntrain: {{teacher: {tmp_path}}}\n")
    assert dict(trial._paths(Project(tmp_path))) == {}


@pytest.mark.long
def test_a_trial_is_watched_while_it_trains_and_kept_or_ended(trains: Project, tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []

    def run(name: str, steps: int, stop_at: int) -> float | None:
        settings = {"train.steps": steps, RATE: 0.25}
        log = tmp_path / f"{name}.log"
        return trial.run(
            trains, name, settings, log, lambda step, score: bool(seen.append((step, score))) or step == stop_at
        )

    assert run("whole", 40, 100) == 0.25
    assert seen[:2] == [(2, 0.2), (4, 0.4)]
    seen.clear()
    began = time.monotonic()
    assert run("ended", 10_000, 4) is None
    assert seen[-1] == (4, 0.4)
    assert time.monotonic() - began < 200
    assert [row["experiment"] for row in experiments.rows(trains.root)] == ["here", "whole"]
    assert not list((trains.root / ".dvc/tmp/exps/standalone").glob("tmp*"))
    assert not list(tmp_path.glob(f"*{trial.RUNNING}"))
    (tmp_path / "trains.py").write_text("raise SystemExit('error: the loss is NaN')")
    with pytest.raises(trial.Failed, match=r"^the loss is NaN$"):
        run("failed", 5, 100)


@pytest.mark.long
def test_trials_are_experiments_and_a_kill_loses_one_trial_at_most(finished: tuple[Path, Command]) -> None:
    """Three short trainings, the second of them killed with the search."""
    pytest.importorskip("optuna")
    root, call = finished
    with (root / "data/.gitignore").open("a", encoding="utf-8") as ignored:
        ignored.write("/sample\n")  # as the project's own has it
    for words in (["add", "--all"], ["commit", "--quiet", "-m", "finished"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    tuning = ["plates", "tune", "--steps", "6", "--space", f"{RATE}=0.01:0.1:log", "--trials"]
    call(*tuning, "1")
    assert [row["experiment"] for row in experiments.rows(root)] == ["here", "tune-000"]
    journal = root / ".plates/tune/tune.journal"
    process = subprocess.Popen([sys.executable, "-m", "pipelines.cli", *tuning[1:], "2"], cwd=root)
    while json.loads(journal.read_text().splitlines()[-1]).get("trial_id") != 1:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    assert not list((root / ".dvc/tmp/exps/standalone").glob("tmp*"))
    said = call(*tuning, "2")
    kept = experiments.rows(root)
    assert {row["experiment"] for row in kept} == {"here", "tune-000", "tune-002"}
    assert [row["train.steps"] for row in kept] == [12, 6, 6]
    assert {row["evaluation.split"] for row in kept[1:]} == {"val"}
    assert f"plates run --set {RATE}=" in said.stdout
    shown = call("plates", "experiments").stdout
    assert "tune-002" in shown
    assert " 12 " in shown, "whole numbers of steps"
    assert call("git", "status", "--porcelain").stdout == ""


def test_the_trial_of_a_study_with_a_longer_name_is_left_alone(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "100"], start_new_session=True)
    try:
        other, own = (tmp_path / f"{name}-000{trial.RUNNING}" for name in ("rates-2", "rates"))
        other.write_text(json.dumps(asdict(Process.of(process.pid))))
        own.write_text(json.dumps(asdict(Process.of(process.pid)) | {"began": "another time"}))
        trial.end_left(tmp_path, "rates")
        assert (process.poll(), other.exists(), own.exists()) == (None, True, False)
    finally:
        process.kill()
        process.wait()
