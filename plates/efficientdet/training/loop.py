"""Training a detector: the loop, and what happens around its steps.

Keras's own training step runs on each batch (`Detector.train_on_batch`), so a step that fails is known together with
its batch. `Detector.fit` trains the same; this adds resuming, evaluation, guards and the history.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from plates.efficientdet.checkpoints import trained
from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.config import TrainConfig
from plates.efficientdet.config.image_size import image_size_advice
from plates.efficientdet.model import network as networks
from plates.efficientdet.model.family import Spec
from plates.efficientdet.training import (
    balance,
    devices,
    diagnostics,
    freeze,
    guards,
    optimizer,
    resume,
    schedule,
    validation,
)
from plates.efficientdet.training.data import TARGETS, Batch, Data
from plates.efficientdet.training.detector import COUNTS, TERMS, Detector
from plates.efficientdet.training.history import Row
from plates.efficientdet.training.optimizer import averaged_weights
from plates.efficientdet.training.resume import Progress
from plates.files import atomic, write_json

EVALUATIONS = 5
LINES = 20
Say = Callable[[str], None]
Initialise = Callable[[keras.Model], LoadReport]


@dataclass(frozen=True)
class Result:
    """A finished run.

    `best`: `figure` (mAP, or mask IoU) of best.weights.h5 on val, made after step `best_step` (None: not evaluated).
    `loaded`: what became of the pretrained weights (None: random ones).
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


@dataclass(frozen=True)
class Plan:
    """A run before it starts: everything in steps. See `train`."""

    spec: Spec
    config: TrainConfig
    data: Data
    work_dir: Path
    steps: int
    eval_every: int
    checkpoint_every: int
    momentum: float
    fingerprint: dict[str, Any]
    distribution: Any
    say: Say
    on_row: Callable[[Row, int], None]


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
    on_row: Callable[[Row, int], None] = lambda row, steps: None,
) -> Result:
    """Trains `spec` on `data` and writes the checkpoint folder (see `trained`).

    Every `train.eval_every` steps the averaged weights are evaluated on `data.validation`, and the best are kept; every
    `train.checkpoint_every` steps the whole state goes to `work_dir`, from where a killed run of the same `fingerprint`
    goes on exactly as if it had not been killed. After success `work_dir` is gone. Every process of
    `train.strategy: multiworker` writes the same, each to folders of its own.

    Args:
        initialise: fills a fresh network with pretrained weights and reports.
        fingerprint: what makes this run what it is beside spec, configuration and data, in JSON's types.
        say: takes progress and warnings, a line at a time.
        on_row: called after each step with its row and the number of steps, to drive a progress bar.

    Raises:
        TrainingDiverged: the loss is NaN or explodes; the last good state stays in `work_dir`.
        NothingMatched: no boxes, or anchors that fit none of them.
        UserError: devices that are not there; a state, weights or a freeze that do not fit.
    """
    begin = time.monotonic()
    plan = _plan(spec, config, data, work_dir, fingerprint or {}, say, on_row)
    devices.skip_graph_optimisation()
    progress = resume.load(work_dir, plan.fingerprint, say) or Progress()
    scope = plan.distribution.scope() if plan.distribution else nullcontext()
    with devices.precision(config.mixed_precision), scope:
        detector = build(spec, config, data, plan.steps, synchronized=plan.distribution is not None)
        if progress.step:
            resume.restore(work_dir, detector)
            say(f"Going on after step {progress.step} of {plan.steps}.")
        else:
            _begin(plan, progress, detector, initialise)
    _loop(plan, progress, detector)
    _finish(plan, progress, detector, checkpoint_dir)
    return Result(
        checkpoint_dir,
        plan.steps,
        progress.best,
        progress.best_step,
        progress.history.frame(),
        progress.notes,
        time.monotonic() - begin,
        validation.figure(spec),
        LoadReport(**progress.loaded) if progress.loaded else None,
    )


def build(spec: Spec, config: TrainConfig, data: Data, steps: int, *, synchronized: bool = False) -> Detector:
    """A detector ready for its first step: frozen as asked, compiled, the optimizer built.

    Building the optimizer here instead of in the first step halves what Keras and TensorFlow trace.
    """
    keras.utils.set_random_seed(config.seed)
    momentum = config.batch_norm_momentum or balance.batch_norm_momentum(steps)
    network = networks.build(spec, momentum, synchronized_batch_norm=synchronized)
    freeze.apply(network, config)
    weights = balance.class_weights(data.class_counts, config.class_weights) if config.class_weights else None
    detector = Detector(network, spec, config, weights)
    rates = schedule.build(config, max(1.0, data.images / config.batch_size), steps)
    detector.compile(optimizer=optimizer.build(config, rates), jit_compile=devices.jit_compile())
    detector.watch_gradient()
    detector.optimizer.build(detector.trainable_variables)
    return detector


def number_of_steps(config: TrainConfig, images: int) -> int:
    """`train.steps`, or `train.num_epochs` passes over `images` images."""
    if config.steps is not None:
        return config.steps
    assert config.num_epochs is not None
    return max(1, math.ceil(config.num_epochs * images / config.batch_size))


def _plan(
    spec: Spec,
    config: TrainConfig,
    data: Data,
    work_dir: Path,
    fingerprint: dict[str, Any],
    say: Say,
    on_row: Callable[[Row, int], None],
) -> Plan:
    steps = number_of_steps(config, data.images)
    eval_every = config.eval_every or math.ceil(steps / EVALUATIONS)
    return Plan(
        spec, config, data, work_dir, steps, eval_every,
        checkpoint_every=config.checkpoint_every or eval_every,
        momentum=config.batch_norm_momentum or balance.batch_norm_momentum(steps),
        fingerprint={
            "spec": trained.to_json(spec),
            "train": config.model_dump(mode="json"),
            "data": data.fingerprint,
            "backend": keras.backend.backend(),
            **fingerprint,
        },
        distribution=devices.strategy(config.strategy),
        say=say,
        on_row=on_row,
    )  # fmt: skip


def _noting(plan: Plan, progress: Progress) -> Say:
    """Says a warning and keeps it for the checkpoint's model.json."""

    def note(line: str) -> None:
        progress.notes.append(line)
        plan.say(line)

    return note


def _begin(plan: Plan, progress: Progress, detector: Detector, initialise: Initialise | None) -> None:
    if initialise is not None:
        report = initialise(detector.network)
        plan.say(report.say())
        progress.loaded = report.to_json()
    plan.say(
        f"{plan.spec.name}: {plan.steps} steps of {plan.config.batch_size} images "
        f"({plan.steps * plan.config.batch_size / plan.data.images:.1f} epochs of {plan.data.images}), "
        f"{detector.count_params():,} parameters, batch-norm momentum {plan.momentum:.3g}."
    )
    note = _noting(plan, progress)
    if advice := image_size_advice(*plan.spec.image_size, max(plan.spec.levels)):
        note(f"Warning: {advice}.")
    diagnostics.learning_rate(plan.config, note)


def _loop(plan: Plan, progress: Progress, detector: Detector) -> None:
    """Takes the steps that are left."""
    note = _noting(plan, progress)
    clock = time.monotonic()
    for batch in _batches(plan, progress.step):
        row = _step(plan, progress, detector, batch)
        now = time.monotonic()
        row = replace(row, seconds=now - clock, images_per_second=plan.config.batch_size / (now - clock))
        if row.step % plan.eval_every == 0 or row.step == plan.steps:
            row = _evaluate(plan, progress, detector, row)
        progress.history.rows.append(row)
        progress.step = row.step
        guards.check_matches(progress.history.rows, note, plan.steps)
        diagnostics.early(progress.history.rows, plan.spec, len(detector.anchors), note)
        plan.on_row(row, plan.steps)
        if row.step == 1 or row.step % math.ceil(plan.steps / LINES) == 0 or not math.isnan(row.validation):
            plan.say(_line(row, plan))
        if row.step == plan.steps:
            diagnostics.batch_norm(detector, _local(plan, batch), row, plan.momentum, note)
            break
        if row.step % plan.checkpoint_every == 0:
            resume.save(plan.work_dir, resume.collect(detector), progress, plan.fingerprint)
        clock = time.monotonic()


def _batches(plan: Plan, start: int) -> Iterable[Batch]:
    batches = plan.data.training(start)
    if plan.distribution is not None:
        return plan.distribution.experimental_distribute_dataset(batches)
    if keras.backend.backend() != "tensorflow" and hasattr(batches, "as_numpy_iterator"):
        return batches.as_numpy_iterator()
    return batches


def _step(plan: Plan, progress: Progress, detector: Detector, batch: Batch) -> Row:
    """One step, or the error that says why no other can follow it."""
    images, targets = batch
    rate = float(detector.optimizer.learning_rate)
    known = {name: value for name, value in targets.items() if name in TARGETS}
    logs = detector.train_on_batch(images, known, return_dict=True)

    def target(name: str) -> Any:
        return devices.local(plan.distribution, targets[name]) if name in targets else None

    row = Row(
        step=progress.step + 1,
        learning_rate=rate,
        gradient_norm=float(detector.gradient_norm.numpy()),
        dropped=float(np.mean(target("gt_dropped"))) if "gt_dropped" in targets else 0.0,
        **{name: float(logs[name]) for name in ("loss", *TERMS, *COUNTS)},
    )
    kept = _kept(plan, progress)
    guards.check_step(row, progress.history.rows, target, plan.spec, plan.config, kept)
    return row


def _local(plan: Plan, batch: Batch) -> Batch:
    """The batch as arrays, those of all replicas of this process in one."""
    images, targets = batch
    known = {name: devices.local(plan.distribution, value) for name, value in targets.items() if name in TARGETS}
    return devices.local(plan.distribution, images), known


def _kept(plan: Plan, progress: Progress) -> str:
    saved = progress.step // plan.checkpoint_every * plan.checkpoint_every
    if not saved:
        return f"No state had been saved yet (train.checkpoint_every is {plan.checkpoint_every})."
    return f"The state after step {saved} is kept in {plan.work_dir}."


def _evaluate(plan: Plan, progress: Progress, detector: Detector, row: Row) -> Row:
    """Scores the averaged weights on the validation batches, and keeps them where they are the best so far."""
    with averaged_weights(detector.optimizer):
        score = validation.score(detector, plan.spec, plan.data.validation)
        if score is None or progress.best is None or score >= progress.best:
            progress.best, progress.best_step = score, row.step
            trained.save_weights(detector.network, plan.work_dir / trained.BEST)
    return replace(row, validation=math.nan if score is None else score)


def _finish(plan: Plan, progress: Progress, detector: Detector, checkpoint_dir: Path) -> None:
    run = {
        "steps": plan.steps,
        "best_step": progress.best_step,
        "best_validation": {validation.figure(plan.spec): progress.best},
        "batch_norm_momentum": plan.momentum,
        "warnings": progress.notes,
        "fingerprint": plan.fingerprint,
    }
    with atomic(checkpoint_dir) as folder:
        folder.mkdir()
        shutil.copyfile(plan.work_dir / trained.BEST, folder / trained.BEST)
        trained.save_weights(detector.network, folder / trained.LAST)
        progress.history.write(folder / trained.HISTORY)
        trained.describe(folder, plan.spec, plan.data.label_map, run)
        if progress.loaded:
            write_json(folder / trained.LOADED, progress.loaded)
    shutil.rmtree(plan.work_dir)


def _line(row: Row, plan: Plan) -> str:
    score = "" if math.isnan(row.validation) else f", validation {validation.figure(plan.spec)} {row.validation:.3f}"
    terms, found = [], ""
    if "object_detection" in plan.spec.heads:
        terms, found = [f"cls {row.cls:.3f}", f"box {row.box:.4f}"], f", {row.positives:.1f} positives an image"
    if "segmentation" in plan.spec.heads:
        terms.append(f"seg {row.seg:.3f}")
    return (
        f"step {row.step}/{plan.steps}: loss {row.loss:.3f} ({', '.join(terms)}), rate {row.learning_rate:.2g}{found}, "
        f"{row.images_per_second:.1f} images/s{score}"
    )
