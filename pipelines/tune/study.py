"""The study: which settings are tried next, which trials end early, and what survives a kill.

Optuna's TPE chooses, its median pruner ends a trial whose validation score is below the median of the others at the
same step. Everything is in `.plates/tune/NAME.journal`, one line per event.
"""

import fcntl
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

WAITED_FOR = 4
"""Complete trials before one may be ended early."""
ALONE = {"train.num_epochs": None, "train.eval_every": None, "evaluation.split": "val"}
"""Settings of every trial: the same number of evaluations in each, scored on val."""
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
        if not self.study.user_attrs:
            self.study.set_user_attr("about", self._about())
        self._require_same()

    def search(self, count: int) -> None:
        """Runs trials until `count` are done; the settings of params.yaml are the first, if the space contains them."""
        with self._alone():
            self._start_again()
            while len(self.done()) < count:
                self._one()

    def done(self) -> list[Any]:
        """The trials that were scored, pruned or failed; not those that a kill ended."""
        return [
            one
            for one in self.study.trials
            if one.state in (self.states.COMPLETE, self.states.PRUNED) or "failed" in one.user_attrs
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
        if differs := [key for key, value in self.study.user_attrs["about"].items() if now[key] != value]:
            raise UserError(
                f"the study {self.name} is another search: {', '.join(differs)} changed since. Undo that, or start "
                f"a new one: plates tune --name OTHER; or discard this one: rm {self.journal}"
            )

    def _about(self) -> dict[str, Any]:
        """What makes scores of two trials comparable."""
        fixed = flat(Project(self.project.root).params.model_dump(mode="json"))
        kept = {key: value for key, value in fixed.items() if key not in {*self.space, *ALONE, "train.steps"}}
        return {
            "--space": {key: repr(found) for key, found in self.space.items()},
            "--steps": self.steps,
            "params.yaml": {
                key: value
                for key, value in kept.items()
                if key.partition(".")[0] in ("model", "train", "augment", "nms")
            },
            "the TFRecords": content_hash(self.project.path("data/tfrecords/manifest.json")),
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

    def _one(self) -> None:
        """Asks for the next settings, runs them, and reports the result."""
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
                self.study.tell(trial, one.value)
                return self.say(f"{said}: same as {self.experiment(one.number)}, {one.value:.3f}")
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
            self.study.tell(trial, state=self.states.FAIL)
            return self.say(f"{said}: failed: {error}")
        if score is None:
            self.study.tell(trial, state=self.states.PRUNED)
            last = self.study.trials[trial.number].last_step
            return self.say(f"{said}: ended after step {last} of {self.steps}, below the median of the others")
        self.study.tell(trial, score)
        return self.say(f"{said}: {score:.3f} ({time.monotonic() - began:.0f} s)")


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
