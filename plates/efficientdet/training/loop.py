"""Training a detector: the loop, and what happens around its steps.

Keras's own training step runs on each batch (`Detector.train_on_batch`), so a step that fails is known together with
its batch. `Detector.fit` trains the same; this adds resuming, evaluation, guards and the history.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import psutil

from plates.efficientdet.checkpoints import keras_model, saved_detector
from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.config import TrainConfig
from plates.efficientdet.config.image_size import image_size_advice
from plates.efficientdet.config.run_length import batch_norm_momentum, number_of_steps
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import devices, diagnostics, guards, resume, validation
from plates.efficientdet.training.build import build, for_whole_pictures, rates_of
from plates.efficientdet.training.data import TARGETS, Batch, Data
from plates.efficientdet.training.detector import COUNTS, TERMS
from plates.efficientdet.training.history import Cost, Row, StepLog
from plates.efficientdet.training.interrupt import noticing_sigterm
from plates.efficientdet.training.optimizer import averaged_weights
from plates.efficientdet.training.resume import Progress
from plates.efficientdet.training.tensorboard import EventFile
from plates.errors import UserError
from plates.files import atomic, write_json

EVALUATIONS = 5
LINES = 20
Say = Callable[[str], None]
OnRow = Callable[[Row, int], None]
Initialise = Callable[[keras.Model], LoadReport]


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        best: `figure` (mAP, or mask IoU) of the best weights on val, reached after step `best_step`; None: not
            evaluated.
        loaded: the load report of the pretrained weights; None: random weights.
    """

    checkpoint: Path
    steps: int
    best: float | None
    best_step: int
    history: pd.DataFrame
    warnings: list[str]
    seconds: float
    figure: str = "mAP"
    loaded: LoadReport | None = None


def train(
    spec: Spec,
    config: TrainConfig,
    data: Data,
    checkpoint_dir: Path,
    work_dir: Path,
    *,
    initialise: Initialise | None = None,
    fingerprint: dict[str, Any] | None = None,
    say: Say = print,
    on_row: OnRow = lambda row, steps: None,
    step_log: Path | None = None,
    tensorboard: Path | None = None,
) -> Result:
    """Trains `spec` on `data` and writes the checkpoint folder (see `trained`).

    Every `train.eval_every` steps the averaged weights are evaluated on `data.validation`, and the best are kept; every
    `train.checkpoint_every` steps the whole state goes to `work_dir`, from where a killed run of the same `fingerprint`
    continues exactly as if it had not been killed. After success `work_dir` is gone. Every process of
    `train.strategy: multiworker` writes the same, each to its own folders.

    Args:
        initialise: fills a fresh network with pretrained weights and reports.
        fingerprint: what makes this run what it is beside spec, configuration and data, in JSON's types.
        say: takes progress and warnings, a line at a time.
        on_row: called after each step with its row and the number of steps, to drive a progress bar.
        step_log: CSV that grows by a line per step, with the clock times that the checkpoint must not hold.
        tensorboard: folder of an event file with the same, for `make tensorboard`.

    Raises:
        TrainingDiverged: the loss is NaN or explodes; the last good state stays in `work_dir`.
        NothingMatched: no boxes, or no anchor that fits them.
        UserError: devices that are not there; a state, weights or a freeze that do not fit; SIGTERM, after saving.
    """
    begin = time.monotonic()
    training = Training(spec, config, data, work_dir, fingerprint or {}, say, on_row, initialise)
    training.run(step_log, tensorboard)
    training.write(checkpoint_dir)
    progress = training.progress
    return Result(
        checkpoint_dir,
        progress.step,
        progress.best,
        progress.best_step,
        progress.history.frame(),
        progress.notes,
        time.monotonic() - begin,
        validation.figure(spec),
        LoadReport(**progress.loaded) if progress.loaded else None,
    )


class Training:
    """One run: what is trained on what, how far it is, and the steps that are left. Arguments as in `train`."""

    def __init__(
        self,
        spec: Spec,
        config: TrainConfig,
        data: Data,
        work_dir: Path,
        fingerprint: dict[str, Any],
        say: Say = print,
        on_row: OnRow = lambda row, steps: None,
        initialise: Initialise | None = None,
    ) -> None:
        self.spec, self.config, self.data, self.work_dir = spec, config, data, work_dir
        self.say, self.on_row = say, on_row
        self.steps = number_of_steps(config, data.images)
        self.eval_every = config.eval_every or math.ceil(self.steps / EVALUATIONS)
        self.checkpoint_every = config.checkpoint_every or self.eval_every
        self.momentum = batch_norm_momentum(config, self.steps)
        self.rates = rates_of(config, data, self.steps)
        self.fingerprint = {
            "spec": spec.to_json(),
            "train": config.model_dump(mode="json"),
            "data": data.fingerprint,
            "backend": keras.backend.backend(),
            **fingerprint,
        }
        self.distribution = devices.strategy(config.strategy)
        replicas = self.distribution.num_replicas_in_sync if self.distribution else 1
        if config.batch_size < replicas:
            raise UserError(
                f"train.batch_size {config.batch_size} gives {replicas} devices less than a picture each. Raise it to "
                f"{replicas} or more, or train on one device: train.strategy: none"
            )
        devices.skip_graph_optimisation()
        if config.deterministic:
            devices.be_deterministic()
        self.progress = resume.load(work_dir, self.fingerprint, say) or Progress()
        self.saved_step = self.progress.step
        if len(steps := set(devices.of_every_worker(self.distribution, self.progress.step))) > 1:
            raise UserError(
                f"the workers are at different steps ({', '.join(map(str, sorted(steps)))}; this one at "
                f"{self.progress.step}): together they would train a model that none of them has. Copy {work_dir} from "
                "one of them to the others, or remove it everywhere to start over"
            )
        scope = self.distribution.scope() if self.distribution else nullcontext()
        with devices.precision(config.mixed_precision), scope:
            many = self.distribution is not None
            self.detector = build(spec, config, data, self.steps, rates=self.rates, synchronized=many)
            self.whole = for_whole_pictures(self.detector, spec)
            if self.progress.step:
                resume.restore(work_dir, self.detector)
                say(f"Resuming after step {self.progress.step} of {self.steps}.")
            else:
                self._begin(initialise)

    def note(self, line: str) -> None:
        """Says a warning and keeps it for the checkpoint's model.json."""
        self.progress.notes.append(line)
        self.say(line)

    def run(self, step_log: Path | None = None, tensorboard: Path | None = None) -> None:
        """Takes the steps that are left, or fewer where `train.patience` is over."""
        resumed = self.progress.step > 0
        log, events = StepLog(step_log, self.progress.step), EventFile(tensorboard, resumed)
        clock, told = time.monotonic(), False
        with noticing_sigterm() as asked_to_stop:
            for batch in self._batches():
                row = self._step(batch)
                cost = self._cost(time.monotonic() - clock)
                evaluated = row.step % self.eval_every == 0 or row.step == self.steps
                if evaluated:
                    row = self._evaluate(row)
                self.progress.history.rows.append(row)
                self.progress.step = row.step
                log.append(row, cost)
                events.append(row.step, {f"train/{name}": value for name, value in (vars(row) | vars(cost)).items()})
                self._look(row, batch, evaluated)
                self.on_row(row, self.steps)
                if row.step == 1 or row.step % math.ceil(self.steps / LINES) == 0 or evaluated:
                    self.say(self._line(row, cost))
                if row.step == self.steps or (evaluated and self._patience_is_over()):
                    return
                told = any(devices.of_every_worker(self.distribution, asked_to_stop()))
                if told or row.step % self.checkpoint_every == 0:
                    resume.save(self.work_dir, resume.collect(self.detector), self.progress, self.fingerprint)
                    self.saved_step = row.step
                if told:
                    break
                clock = time.monotonic()
        if not told:
            raise UserError(f"The batches ended after step {self.progress.step} of {self.steps}: give endless ones.")
        stopped = (
            f"Stopped by SIGTERM after step {self.progress.step} of {self.steps}. The state is saved in "
            f"{self.work_dir}: run again to resume."
        )
        self.say(stopped)
        os.kill(os.getpid(), signal.SIGTERM)
        raise UserError(stopped)

    def write(self, checkpoint_dir: Path) -> None:
        """Writes the checkpoint folder of the finished run, and removes `work_dir`."""
        progress = self.progress
        run = {
            "steps": progress.step,
            "best_step": progress.best_step,
            "best_validation": {validation.figure(self.spec): progress.best},
            "batch_norm_momentum": self.momentum,
            "warnings": progress.notes,
            "fingerprint": self.fingerprint,
        }
        with atomic(checkpoint_dir) as folder:
            folder.mkdir()
            shutil.copyfile(self.work_dir / saved_detector.BEST, folder / saved_detector.BEST)
            saved_detector.save_weights(self.detector.network, folder / saved_detector.LAST)
            saved_detector.load_weights(self.whole.network, folder / saved_detector.BEST)
            keras_model.write(self.whole.network, self.spec, folder / keras_model.FILE)
            progress.history.write(folder / saved_detector.HISTORY)
            saved_detector.describe(folder, self.spec, self.data.label_map, run)
            if progress.loaded:
                write_json(folder / saved_detector.LOADED, progress.loaded)
        resume.remove(self.work_dir)

    def _begin(self, initialise: Initialise | None) -> None:
        if initialise is not None:
            report = initialise(self.detector.network)
            self.say(report.say())
            self.progress.loaded = report.to_json()
            diagnostics.pretrained(report, self.spec, self.data.label_map, self.note)
        self.say(
            f"{self.spec.name}: {self.steps} steps of {self.config.batch_size} images "
            f"({self.steps * self.config.batch_size / self.data.images:.1f} epochs of {self.data.images}), "
            f"{self.detector.count_params():,} parameters, batch-norm momentum {self.momentum:.3g}."
        )
        if advice := image_size_advice(*self.spec.image_size, max(self.spec.levels)):
            self.note(f"Warning: {advice}.")
        diagnostics.learning_rate(self.config, self.note)

    def _batches(self) -> Iterable[Batch]:
        batches = self.data.training(self.progress.step)
        if self.distribution is not None:
            return self.distribution.experimental_distribute_dataset(batches)
        if keras.backend.backend() != "tensorflow" and hasattr(batches, "as_numpy_iterator"):
            return batches.as_numpy_iterator()
        return batches

    def _step(self, batch: Batch) -> Row:
        """Takes one step; raises an error with the reason if training cannot continue."""
        images, targets = batch
        rate = float(self.detector.optimizer.learning_rate)
        known = {name: value for name, value in targets.items() if name in TARGETS}
        logs = self.detector.train_on_batch(images, known, return_dict=True)

        def target(name: str) -> Any:
            return devices.local(self.distribution, targets[name]) if name in targets else None

        def mean(name: str) -> float:
            return float(np.mean(target(name))) if name in targets else 0.0

        row = Row(
            step=self.progress.step + 1,
            learning_rate=rate,
            gradient_norm=self.detector.gradient_norm,
            dropped=mean("gt_dropped"),
            outside=mean("gt_outside"),
            pasted=mean("gt_pasted"),
            **{name: float(logs[name]) for name in ("loss", *TERMS, *COUNTS)},
        )
        guards.check_step(row, self.progress.history.rows, target, self.spec, self.config, self._kept())
        return row

    def _look(self, row: Row, batch: Batch, evaluated: bool) -> None:
        """Stops a run that cannot succeed, and reports each problem once."""
        rows = self.progress.history.rows
        guards.check_matches(rows, self.note, self.steps)
        if row.step == 1:
            diagnostics.pixels(self.detector.network, self.spec, self._local(batch)[0], self.note)
        if "object_detection" in self.spec.heads:
            diagnostics.early(rows, self.spec, len(self.detector.anchors), self.config, self.note)
            diagnostics.after_warmup(rows, self.rates.warmup_steps, self.config, self.note)
        if not evaluated:
            return
        figure = validation.figure(self.spec)
        looks: dict[str, Callable[[], bool]] = {
            "over-fitting": lambda: diagnostics.overfitting(rows, figure, self.note),
            "plateau": lambda: diagnostics.plateau(rows, figure, self.say),
        }
        if 2 * row.step > self.steps:  # statistics need a while to settle
            looks["batch norm"] = lambda: diagnostics.batch_norm(
                self.detector, self._local(batch), row, self.momentum, self.note
            )
        self.progress.named += [name for name, look in looks.items() if name not in self.progress.named and look()]

    def _patience_is_over(self) -> bool:
        """Whether `train.patience` evaluations came after the first that was as good as the best."""
        if self.config.patience is None or self.progress.best is None:
            return False
        found = [row.validation for row in self.progress.history.rows if not math.isnan(row.validation)]
        later = found[found.index(max(found)) + 1 :]  # an equal score is kept as the best, but is not a rise
        if len(later) < self.config.patience:
            return False
        self.note(
            f"Stopped after step {self.progress.step} of {self.steps}: validation {validation.figure(self.spec)} has "
            f"not risen above {self.progress.best:.3f} (step {self.progress.best_step}) in {len(later)} evaluations "
            "(train.patience)."
        )
        return True

    def _cost(self, seconds: float) -> Cost:
        return Cost(seconds, self.config.batch_size / seconds, psutil.Process().memory_info().rss / 2**20)

    def _local(self, batch: Batch) -> Batch:
        """The batch as arrays, those of all replicas of this process in one."""
        images, targets = batch
        known = {name: devices.local(self.distribution, value) for name, value in targets.items() if name in TARGETS}
        return devices.local(self.distribution, images), known

    def _kept(self) -> str:
        if not self.saved_step:
            return f"No state had been saved yet (train.checkpoint_every is {self.checkpoint_every})."
        return f"The state after step {self.saved_step} is kept in {self.work_dir}."

    def _evaluate(self, row: Row) -> Row:
        """Scores the averaged weights on the validation batches, and keeps them if they are the best so far."""
        progress = self.progress
        with averaged_weights(self.detector.optimizer):
            if self.whole is not self.detector:
                self.whole.network.set_weights(self.detector.network.get_weights())
            score = validation.score(self.whole, self.spec, self.data.validation)
            if score is None or progress.best is None or score >= progress.best:
                progress.best, progress.best_step = score, row.step
                saved_detector.save_weights(self.detector.network, self.work_dir / saved_detector.BEST)
        return replace(row, validation=math.nan if score is None else score)

    def _line(self, row: Row, cost: Cost) -> str:
        score = (
            "" if math.isnan(row.validation) else f", validation {validation.figure(self.spec)} {row.validation:.3f}"
        )
        terms, found = [], ""
        if "object_detection" in self.spec.heads:
            terms, found = [f"cls {row.cls:.3f}", f"box {row.box:.4f}"], f", {row.positives:.1f} positives per image"
        if "corners" in self.spec.heads:
            terms.append(f"corners {row.corners:.4f}")
        if "segmentation" in self.spec.heads:
            terms.append(f"seg {row.seg:.3f}")
        return (
            f"step {row.step}/{self.steps}: loss {row.loss:.3f} ({', '.join(terms)}), rate {row.learning_rate:.2g}"
            f"{found}, {cost.images_per_second:.1f} images/s{score}"
        )
