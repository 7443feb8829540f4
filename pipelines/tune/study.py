"""The study: which settings are tried next, which trials end early, and what survives a kill.

Optuna's TPE chooses, its median pruner ends a trial whose validation score is below the median of the others at the
same step. Everything is in `.plates/tune/NAME.journal`, one line per event.
"""

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.tune import trial as trials
from pipelines.tune.space import Choice, Range, Space, written
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage.record import flat
from plates.settings.project import Project
from stages.code import hashes

WAITED_FOR = 4
"""Complete trials before one may be ended early."""
ALONE = {"train.num_epochs": None, "train.eval_every": None, "evaluation.split": "val"}
"""Settings of every trial: the same number of evaluations in each, scored on val."""
IN_A_ROW = 3
"""Failed trials that end the search: the cause is not in their settings."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Of a study: a file's, and the beginning of what Git and DVC call its experiments."""
Say = Callable[[str], None]


class Study:
    """A search that continues where it was stopped; `study` is Optuna's.

    Args:
        steps: training steps of each trial.
        say: takes a line for each trial.

    Raises:
        UserError: Optuna is not installed, or the name's study is another search.
    """

    def __init__(self, project: Project, name: str, space: Space, steps: int, say: Say) -> None:
        if not NAME.fullmatch(name):
            raise UserError(f"--name {name!r}: only letters, digits, - and _, such as plates tune --name rates")
        self.project, self.name, self.space, self.steps, self.say = project, name, space, steps, say
        self.folder = project.scratch / "tune"
        self.folder.mkdir(parents=True, exist_ok=True)
        optuna = _optuna()
        from optuna.storages.journal import JournalFileBackend

        self.journal = self.folder / f"{name}.journal"
        self.study = optuna.create_study(
            study_name=name,
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(self.journal))),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=WAITED_FOR, n_warmup_steps=steps // 3),
            direction="maximize",
            load_if_exists=True,
        )
        self.states = optuna.trial.TrialState
        self.earlier = len(self.study.trials)
        if not self.study.user_attrs:
            self.study.set_user_attr("about", self._about())
        self._require_same()

    def search(self, count: int) -> None:
        """Runs trials until `count` are done; the settings of params.yaml are the first, if the space contains them."""
        with self._alone():
            trials.end_left(self.folder, self.name)
            self._start_again()
            failed = 0
            while len(self.done()) < count:
                failed = failed + 1 if self._one() == self.states.FAIL else 0
                if failed == IN_A_ROW:
                    why = self.study.trials[-1].user_attrs["failed"]
                    raise UserError(
                        f"{failed} trials in a row failed: {why}. Their output: {self.folder}. Once that is fixed, the "
                        "same command continues"
                    )

    def done(self) -> list[Any]:
        """The trials that were scored or pruned, or failed in this call; not those that a kill ended."""
        return [
            one
            for one in self.study.trials
            if one.state in (self.states.COMPLETE, self.states.PRUNED)
            or ("failed" in one.user_attrs and one.number >= self.earlier)
        ]

    def best(self) -> Any:
        """The best trial.

        Raises:
            UserError: none was completed.
        """
        if not any(one.state == self.states.COMPLETE for one in self.study.trials):
            why = next((one.user_attrs["failed"] for one in self.done() if "failed" in one.user_attrs), "none was run")
            raise UserError(f"no trial of {self.name} was completed: {why}. Their output: {self.folder}")
        return self.study.best_trial

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What a trial changes in params.yaml."""
        return {key: written(value) for key, value in params.items()}

    def experiment(self, number: int) -> str:
        """The name that DVC keeps a trial under."""
        return f"{self.name}-{number:03}"

    def _require_same(self) -> None:
        """Trials start from the project's current state, which may have been edited since."""
        now = self._about()
        if differs := [key for key, value in self.study.user_attrs["about"].items() if now.get(key) != value]:
            kept = [self.experiment(one.number) for one in self.study.trials if one.state == self.states.COMPLETE]
            remove = f"; dvc exp remove {' '.join(kept)}" if kept else ""
            raise UserError(
                f"the study {self.name} is another search: {', '.join(differs)} changed since. Undo that, or start "
                f"a new one: plates tune --name OTHER; or discard this one: rm {self.journal}{remove}"
            )

    def _about(self) -> dict[str, Any]:
        """What makes scores of two trials comparable."""
        import assets

        project, graph = Project(self.project.root), assets.graph()
        stages = list(graph.values())[: list(graph).index(trials.LAST) + 1]
        code = {path: md5 for stage in stages for path, md5 in hashes(stage).items()}
        read = {key.partition(".")[0] for stage in stages for key in stage.params}
        fixed = flat(project.params.model_dump(mode="json"))
        kept = {key: value for key, value in fixed.items() if key not in {*self.space, *ALONE, "train.steps"}}
        return {
            "--space": {key: repr(found) for key, found in self.space.items()},
            "--steps": self.steps,
            "params.yaml": {key: value for key, value in kept.items() if key.partition(".")[0] in read},
            "the code": hashlib.md5(json.dumps(code, sort_keys=True).encode()).hexdigest(),
            "the TFRecords": content_hash(project.path("data/tfrecords/manifest.json")),
        }

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / f"{self.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"the study {self.name} is running: wait, or plates tune --name OTHER") from None
            yield

    def _start_again(self) -> None:
        """Trials that a kill ended are tried again; a new study starts with the project's own settings."""
        if not self.study.trials:
            own = flat(self.project.params.model_dump(mode="json"))
            if all(found.holds(own[key]) for key, found in self.space.items()):
                self.study.enqueue_trial({key: own[key] for key in self.space})
        for one in self.study.get_trials(states=(self.states.RUNNING,)):
            self.study.tell(one.number, state=self.states.FAIL)
            self.study.enqueue_trial(one.params)

    def _one(self) -> Any:
        """Asks for the next settings, runs them, and reports the result; returns the trial's state."""
        self._require_same()
        self.study.sampler = _optuna().samplers.TPESampler(seed=self.project.params.train.seed + len(self.study.trials))
        trial = self.study.ask({key: _distribution(found) for key, found in self.space.items()})
        settings = self.settings(trial.params)
        said = f"{self.experiment(trial.number)}  {shown(settings)}"
        began = time.monotonic()

        def stop(step: int, score: float) -> bool:
            trial.report(score, step)
            return bool(trial.should_prune())

        for one in self.done():
            if one.state == self.states.COMPLETE and self.settings(one.params) == settings:
                self.say(f"{said}: same as {self.experiment(one.number)}, {one.value:.3f}")
                return self.study.tell(trial, one.value).state
        try:
            score = trials.run(
                self.project,
                self.experiment(trial.number),
                {**ALONE, "train.steps": self.steps, **settings},
                self.folder / f"{self.experiment(trial.number)}.log",
                stop,
            )
        except trials.Failed as error:
            trial.set_user_attr("failed", str(error))
            self.say(f"{said}: failed: {error}")
            return self.study.tell(trial, state=self.states.FAIL).state
        if score is None:
            ended = self.study.tell(trial, state=self.states.PRUNED)
            self.say(f"{said}: ended after step {ended.last_step} of {self.steps}, below the median of the others")
            return ended.state
        self.say(f"{said}: {score:.3f} ({time.monotonic() - began:.0f} s)")
        return self.study.tell(trial, score).state


def shown(settings: Mapping[str, Any]) -> str:
    """Settings as they are written, without their sections."""
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in settings.items())


def _distribution(found: Range | Choice) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(found, Choice):
        return CategoricalDistribution(found.values)
    if isinstance(found.low, int) and isinstance(found.high, int):
        return IntDistribution(found.low, found.high, log=found.log)
    return FloatDistribution(found.low, found.high, log=found.log)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("plates tune needs Optuna: pip install 'plates[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
