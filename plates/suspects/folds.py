"""Out-of-fold predictions: each photograph is judged by two detectors that were trained without it and its plate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plates.columns import BOX
from plates.efficientdet.config import AugmentConfig, NmsConfig, TrainConfig
from plates.efficientdet.config.run_length import number_of_steps
from plates.efficientdet.data import tfrecords
from plates.efficientdet.data.tfrecords.example import Example
from plates.efficientdet.data.tfrecords.plan import BOX_COLUMNS, SPLIT_COLUMNS, Photographs
from plates.efficientdet.model.family import Spec
from plates.files import remove, write_parquet
from plates.scoring.tally import groups

MOST_STEPS = 500
"""Steps of a training at most, whatever `train` says: wrong labels stand out long before the figure settles."""

KEPT = 10
"""Detections of each photograph and training."""


@dataclass(frozen=True)
class Trainer:
    """The settings of each training.

    Attributes:
        spec: the detector.
        train: its settings; at most `MOST_STEPS` steps are run.
        augment: of the training pictures; objects are not pasted, or a wrong label would be in many of them.
        initialise: fills the network with pretrained weights; None: random ones.
    """

    spec: Spec
    train: TrainConfig
    augment: AugmentConfig
    initialise: Any = None


def fold_of(truth: pd.DataFrame, folds: int, seed: int) -> pd.Series:
    """The fold, from 0, of each photograph by image id; those of one plate are in one fold."""
    keys = groups(truth)
    _, group = np.unique(keys, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(group.max() + 1)
    return pd.Series(turn[group] % folds, np.unique(truth["image_id"]))


def out_of_fold(
    truth: pd.DataFrame,
    label_map: Mapping[int, str],
    photographs: Photographs,
    trainer: Trainer,
    folds: int,
    work: Path,
    say: Callable[[str], None] = print,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """What `folds` trainings find on the photographs that each of them did not see.

    Each leaves out two folds, its own and the next, so that every photograph is looked at by two. One that is done is
    kept in `work`, so that a run that is killed continues from there.

    Args:
        truth: a table of `plates.scoring.truth`.
        label_map: class id to name.
        photographs: gives their JPEGs.
        trainer: what is trained.
        folds: three or more.
        work: folder of this run alone: of the same truth, trainer and folds.
        say: takes a line at a time.
        progress: called with photographs looked at and to look at.

    Returns:
        training (its number), image_id, class (an id), score and the box, in pixels of the photograph: the best `KEPT`.
    """
    fold = fold_of(truth, folds, trainer.train.seed)
    found = []
    for number in range(folds):
        file = work / f"{number}.parquet"
        if not file.exists():
            left_out = truth["image_id"].map(fold).isin([number, (number + 1) % folds])
            unseen = truth[left_out].drop_duplicates("image_id")
            say(f"training {number + 1} of {folds}, without {len(unseen):,} photographs")
            checkpoint = _train(truth[~left_out], label_map, photographs, trainer, work / f"{number}", say)
            write_parquet(file, _look(checkpoint, unseen, photographs, progress).assign(training=number))
            remove(work / f"{number}")
        found.append(pd.read_parquet(file))
    return pd.concat(found, ignore_index=True)


def _train(
    seen: pd.DataFrame,
    label_map: Mapping[int, str],
    photographs: Photographs,
    trainer: Trainer,
    work: Path,
    say: Callable[[str], None],
) -> Path:
    """Trains on as many of the photographs as the steps can see; returns the checkpoint's folder."""
    from plates.efficientdet.training.data import from_tfrecords
    from plates.efficientdet.training.loop import train

    images = seen.drop_duplicates("image_id")[["image_id", "path"]].assign(split="train")
    steps = min(number_of_steps(trainer.train, len(images)), MOST_STEPS)
    most = steps * trainer.train.batch_size
    if len(images) > most:
        images = images.sample(most, random_state=trainer.train.seed).sort_values("image_id")
    records = work / "tfrecords"
    tfrecords.write(
        seen[BOX_COLUMNS], images[SPLIT_COLUMNS], dict(label_map), photographs, records, seed=trainer.train.seed
    )
    config = trainer.train.model_copy(update={"steps": steps, "num_epochs": None})
    augment = trainer.augment.model_copy(update={"copy_paste": 0.0})
    data = from_tfrecords(records, trainer.spec, config, augment)
    checkpoint = work / "checkpoint"
    train(trainer.spec, config, data, checkpoint, work / "training", initialise=trainer.initialise, say=say)
    return checkpoint


def _look(
    checkpoint: Path, unseen: pd.DataFrame, photographs: Photographs, progress: Callable[[int, int], None]
) -> pd.DataFrame:
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.inference.predictor import Predictor, detect

    model = saved_detector.load(checkpoint)
    predictor = Predictor(model.network, model.spec, NmsConfig(score_thresh=0.001, max_output_size=KEPT, voting=0.6))

    def examples() -> Iterator[Example]:
        for done, row in enumerate(unseen.itertuples(), 1):
            yield _example(row, photographs.read(str(row.path), str(row.sha256)))
            progress(done, len(unseen))

    return detect(predictor, examples())[["image_id", "class", "score", *BOX]]


def _example(row: Any, jpeg: bytes) -> Example:
    nothing = np.zeros((0, 4), np.float32)
    return Example(
        str(row.image_id), row.path, row.height, row.width, jpeg, row.sha256, nothing, nothing[:, 0], [],
        np.zeros(0, bool), None,
    )  # fmt: skip
