"""Known causes of a low mAP, each as a change of a healthy project, at three strengths.

A fault changes parameters, the tables of labels and splits, or the code that a run goes through; `causes` are the names
that `plates why` may call it by.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from plates.columns import BOX
from plates.settings.project import Project

STRENGTHS = ("weak", "medium", "strong")
Edit = Callable[[Project, float], None]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: what is wrong, in words.
        causes: what the verdict may call it.
        settings: the parameters of each strength.
        edit: changes tables; called with the strength's number.
        amounts: those numbers, weak to strong.
        again: the assets to run after it.
        training: a context in which training runs; `evaluation` likewise.
        trains: False where the weights are those of the healthy project.
        base: settings of the healthy project, where it is not the usual one.
        stops: the run ends in an error that says this.
    """

    name: str
    causes: Sequence[str]
    settings: Sequence[Mapping[str, Any]] = ({}, {}, {})
    edit: Edit | None = None
    amounts: Sequence[float] = (0.0, 0.0, 0.0)
    again: Sequence[str] = ()
    training: Callable[[float], Any] = lambda _: nullcontext()
    evaluation: Callable[[float], Any] = lambda _: nullcontext()
    trains: bool = True
    base: str = "one class"
    stops: str | None = None


BASES: dict[str, dict[str, Any]] = {"one class": {}, "two classes": {"data.class_by": "plate_type"}}
RANDOM = {"model.pretrained": "none", "train.steps": 100}
"""The detector starts from random weights."""
FROM_LABELS = ("tfrecords", "anchors")
FROM_SPLITS = ("splits", "tfrecords", "anchors")


def boxes(change: Callable[[pd.DataFrame, np.random.Generator, float], pd.DataFrame], *splits: str) -> Edit:
    """Changes rows of `data/boxes.parquet`, those of some splits."""

    def edit(project: Project, amount: float) -> None:
        path = project.path("data/boxes.parquet")
        table = pd.read_parquet(path)
        split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
        chosen = split.isin(splits or ("train", "val", "test"))
        changed = change(table[chosen].copy(), np.random.default_rng(0), amount)
        pd.concat([changed, table[~chosen]]).sort_index().to_parquet(path)

    return edit


def inside(table: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """The table with these boxes, cut at the edge of the picture and at least 8 px wide."""
    size = np.tile(table[["width", "height"]].to_numpy(float), 2)
    values = np.clip(values, 0, size)
    low = np.minimum(values[:, :2], size[:, :2] - 8)
    table[BOX] = np.concatenate([low, np.maximum(values[:, 2:], low + 8)], axis=1)
    return table


def some(table: pd.DataFrame, random: np.random.Generator, share: float) -> np.ndarray:
    """A random share of the rows, as a mask."""
    return random.random(len(table)) < share


def swapped(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float, copy=True)
    hit = some(table, random, share)
    values[hit] = values[hit][:, [1, 0, 3, 2]]
    return inside(table, values)


def scaled(table: pd.DataFrame, random: np.random.Generator, factor: float) -> pd.DataFrame:
    return inside(table, table[BOX].to_numpy(float) * factor)


def shuffled(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float, copy=True)
    hit = np.flatnonzero(some(table, random, share) & table["class"].notna())
    values[hit] = values[random.permutation(hit)]
    return inside(table, values)


def shifted(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float)
    return inside(table, values + share * (values[:, [2]] - values[:, [0]]) * np.array([1, 0, 1, 0]))


def shaken(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    values = table[BOX].to_numpy(float)
    sizes = values[:, 2:] - values[:, :2]
    moved = random.uniform(-2 * share, 2 * share, sizes.shape) * sizes
    return inside(table, values + np.tile(moved, 2))


def unlabelled(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    table.loc[some(table, random, share), ["class", *BOX]] = None
    return table


def without_green(table: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    names = table["class"].value_counts()
    hit = (table["class"] == names.index[-1]).to_numpy() & some(table, random, share)
    table.loc[hit, ["class", *BOX]] = None
    return table


def by_size(project: Project, share: float) -> None:
    """The largest plates go to test, others stay where they are."""
    path = project.path("data/splits.parquet")
    splits = pd.read_parquet(path)
    table = pd.read_parquet(project.path("data/boxes.parquet")).set_index("path")
    width = splits["path"].map(table["xmax"] - table["xmin"]).fillna(0)
    count = int((splits["split"] == "test").sum() * share)
    large = width.sort_values(ascending=False).index[:count]
    away = splits.index[(splits["split"] == "test") & ~splits.index.isin(large)][:count]
    splits.loc[away, "split"] = "train"
    splits.loc[large, "split"] = "test"
    splits.to_parquet(path)


def leaked(project: Project, share: float) -> None:
    """Plates of the test photographs are in train too."""
    path = project.path("data/boxes.parquet")
    table = pd.read_parquet(path)
    split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
    test = table.index[split == "test"]
    chosen = test[: max(1, int(share * len(test)))]
    table.loc[chosen, "plate"] = table.loc[split == "train", "plate"].to_numpy()[: len(chosen)]
    table.to_parquet(path)


def copied(project: Project, share: float) -> None:
    """Training photographs become copies of others: same content and labels, other names."""
    path = project.path("data/boxes.parquet")
    table = pd.read_parquet(path)
    split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
    own_photographs(project)
    train = table.index[split == "train"]
    copies, kept = train[: int(share * len(train))], train[int(share * len(train)) :]
    source = np.resize(kept, len(copies))
    for target, one in zip(copies, source, strict=True):
        old, new = project.photographs / table.loc[one, "path"], project.photographs / table.loc[target, "path"]
        new.unlink()
        new.write_bytes(old.read_bytes())
        table.loc[target, table.columns.difference(["path", "name"])] = table.loc[one]
    table.to_parquet(path)


@contextmanager
def other_pixels(factor: float, offset: float = 0.0) -> Iterator[None]:
    """Inference sees factor * pixels + offset."""
    import tensorflow as tf

    from plates.efficientdet.inference.predictor import Predictor

    def load(own: Any, jpeg: Any) -> tuple[Any, Any]:
        pixels, scale = right(own, jpeg)
        return tf.cast(factor * tf.cast(pixels, tf.float32) + offset, tf.uint8), scale

    right = Predictor.load
    with patch.object(Predictor, "load", load):
        yield


@contextmanager
def other_ids(share: float) -> Iterator[None]:
    """Inference calls this share of the detections of two classes by the name of the other."""
    from plates.efficientdet.inference import predictor

    def table(*arguments: Any) -> pd.DataFrame:
        rows = right(*arguments)
        hit = np.random.default_rng(len(rows)).random(len(rows)) < share
        rows.loc[hit, "class"] = 3 - rows.loc[hit, "class"]
        return rows

    right = predictor.table
    with patch.object(predictor, "table", table):
        yield


@contextmanager
def other_validation(amount: float) -> Iterator[None]:
    """Validation in training sees dark noise in place of pictures, in part."""
    from plates.efficientdet.training import validation

    def score(detector: Any, spec: Any, batches: Any) -> Any:
        return right(
            detector, spec, [((np.asarray(images) * (1 - amount)).astype("uint8"), t) for images, t in batches]
        )

    right = validation.score
    with patch.object(validation, "score", score):
        yield


def from_another_camera(project: Project, factor: float) -> None:
    """Test photographs are of a camera that is darker and blurred."""
    path = project.path("data/boxes.parquet")
    table = pd.read_parquet(path)
    own_photographs(project)
    split = table["path"].map(pd.read_parquet(project.path("data/splits.parquet")).set_index("path")["split"])
    test = table.index[split == "test"]
    for row in test:
        file = project.photographs / table.loc[row, "path"]
        with Image.open(file) as image:
            darker = image.point(lambda value: value * factor).filter(ImageFilter.GaussianBlur(2 / factor))
        file.unlink()
        darker.save(file, quality=90)
        table.loc[row, "sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    table.loc[test, "brightness"] = (factor * table.loc[test, "brightness"]).round()
    table.to_parquet(path)


def own_photographs(project: Project) -> None:
    """Copies the photographs, which are a link to the healthy project's."""
    own = project.root / "data" / "own"
    shutil.copytree(project.photographs, own)
    project.photographs.unlink()
    own.rename(project.photographs)


@contextmanager
def a_foreign_class_head(bias: float) -> Iterator[None]:
    """Pretrained weights come with a class head whose bias is this one."""
    from plates.efficientdet import checkpoints

    def load(network: Any, *arguments: Any) -> Any:
        report = right(network, *arguments)
        for variable in network.weights:
            if "class-predict" in variable.path and variable.path.endswith("bias"):
                variable.assign(np.full(variable.shape, bias, np.float32))
        return report

    right = checkpoints.load_pretrained
    with patch.object(checkpoints, "load_pretrained", load):
        yield


@contextmanager
def half_loaded(share: float) -> Iterator[None]:
    """This share of the pretrained arrays is not in the file."""
    from plates.efficientdet.checkpoints.weights_file import WeightsFile

    def keys_for(own: Any, *arguments: Any) -> dict[str, str]:
        keys = right(own, *arguments)
        missing = np.random.default_rng(0).random(len(keys)) < share
        return {name: "" if gone else key for (name, key), gone in zip(keys.items(), missing, strict=True)}

    right = WeightsFile.keys_for
    with patch.object(WeightsFile, "keys_for", keys_for):
        yield


OFF = ("labels are not on the plates", "boxes are shifted", "boxes are in another scale", "x and y are swapped")
STORIES = (
    Fault(
        "the class head was never re-initialised",
        ("the class head was not re-initialised",),
        training=a_foreign_class_head,
        amounts=(-2.0, 0.0, 2.0),
    ),
    Fault(
        "a delivery from another camera",
        ("shifted split",),
        edit=from_another_camera,
        amounts=(0.7, 0.5, 0.3),
        again=FROM_LABELS,
        trains=False,
    ),
    Fault(
        "a batch of 4 with a rate for 64",
        ("the learning rate is too high",),
        [{"train.batch_size": 4, "train.learning_rate": 0.024 * 64 / size} for size in (8, 4, 2)],
    ),
)
FAULTS = (
    *STORIES,
    Fault(
        "weights loaded in part",
        ("pretrained weights loaded in part",),
        [{"model.allow_partial_backbone": True}] * 3,
        training=half_loaded,
        amounts=(0.2, 0.5, 0.8),
    ),
    Fault("x and y swapped in the labels", OFF, edit=boxes(swapped), amounts=(0.3, 0.7, 1.0), again=FROM_LABELS),
    Fault("boxes in another scale", OFF, edit=boxes(scaled), amounts=(0.85, 0.7, 0.4), again=FROM_LABELS),
    Fault("labels shuffled between photographs", OFF, edit=boxes(shuffled), amounts=(0.3, 0.7, 1.0), again=FROM_LABELS),
    Fault("all boxes shifted", OFF, edit=boxes(shifted), amounts=(0.08, 0.15, 0.3), again=FROM_LABELS),
    Fault(
        "training boxes shifted, not those of test",
        (*OFF, "detections are shifted"),
        edit=boxes(shifted, "train", "val"),
        amounts=(0.08, 0.15, 0.3),
        again=FROM_LABELS,
    ),
    Fault("boxes drawn carelessly", OFF, edit=boxes(shaken), amounts=(0.08, 0.15, 0.3), again=FROM_LABELS),
    Fault(
        "plates without a label",
        ("plates without a label",),
        edit=boxes(unlabelled),
        amounts=(0.1, 0.2, 0.5),
        again=FROM_LABELS,
    ),
    Fault(
        "photographs of plates taken for negatives in train",
        ("plates without a label",),
        edit=boxes(unlabelled, "train"),
        amounts=(0.2, 0.5, 0.8),
        again=FROM_LABELS,
    ),
    Fault(
        "no photograph of train has a box",
        (),
        edit=boxes(unlabelled, "train"),
        amounts=(1.0, 1.0, 1.0),
        again=("tfrecords",),
        stops="No image of the first",
    ),
    Fault("test is not like train", ("shifted split",), edit=by_size, amounts=(0.5, 0.8, 1.0), again=FROM_LABELS),
    Fault("test plates are in train", ("leaked split",), edit=leaked, amounts=(0.1, 0.5, 1.0), trains=False),
    Fault("copies of photographs", ("duplicate photographs",), edit=copied, amounts=(0.3, 0.6, 0.9), again=FROM_LABELS),
    Fault(
        "few photographs",
        ("few labelled plates", "too few steps"),
        [RANDOM | {"split.test_fraction": 0.45, "split.val_fraction": share} for share in (0.4, 0.43, 0.47)],
        again=FROM_SPLITS,
    ),
    Fault(
        "a class absent in train",
        ("a class is absent",),
        edit=boxes(without_green, "train"),
        amounts=(1.0, 1.0, 1.0),
        again=FROM_LABELS,
        base="two classes",
    ),
    Fault("rate too high", ("the learning rate is too high",), [{"train.learning_rate": r} for r in (0.24, 2.4, 24.0)]),
    Fault("rate too low", ("the learning rate is too low",), [{"train.learning_rate": r} for r in (5e-5, 5e-6, 5e-7)]),
    Fault(
        "batch norm's momentum for a long run",
        ("batch norm has not settled",),
        [RANDOM | {"train.batch_norm_momentum": m} for m in (0.99, 0.997, 0.9995)],
    ),
    Fault(
        "batch of one with batch norm",
        ("batch norm has not settled", "too few steps"),
        [RANDOM | {"train.batch_size": size, "train.steps": 120} for size in (2, 1, 1)],
    ),
    Fault(
        "jitter that destroys small plates",
        ("augmentation destroys plates",),
        [{"augment.jitter_min": low, "augment.jitter_max": high} for low, high in ((0.3, 1.0), (0.1, 0.6), (0.1, 0.2))],
    ),
    Fault(
        "jitter that cuts plates away",
        ("augmentation destroys plates",),
        [{"augment.jitter_min": low, "augment.jitter_max": 2 * low} for low in (1.5, 2.0, 2.5)],
    ),
    Fault(
        "everything frozen",
        (),
        [{"train.var_freeze_expr": ".*"}] * 3,
        stops="nothing would be left to train",
    ),
    Fault(
        "a random backbone frozen",
        ("random weights are frozen",),
        [
            RANDOM | {"train.var_freeze_expr": e}
            for e in ("efficientnet", "(efficientnet|fpn_cells)", "(efficientnet|fpn|res)")
        ],
    ),
    Fault(
        "score threshold",
        ("the score threshold drops detections",),
        [{"nms.score_thresh": value} for value in (0.5, 0.9, 0.99)],
        trains=False,
    ),
    Fault(
        "wrong mean and deviation",
        ("wrong mean or deviation of pixels",),
        [{"model.mean_rgb": m, "model.stddev_rgb": s} for m, s in ((0, 58), (0, 1), (255, 0.05))],
    ),
    Fault(
        "anchors of the wrong shape",
        ("the anchors do not fit",),
        [{"model.aspect_ratios": [r], "model.num_scales": 1, "anchors.min_recall": 0.95} for r in (0.8, 0.4, 0.2)],
        again=("anchors",),
    ),
    Fault(
        "anchors of the wrong size",
        ("the anchors do not fit",),
        [{"model.anchor_scale": scale} for scale in (7.0, 12.0, 24.0)],
        again=("anchors",),
    ),
    Fault(
        "box loss drowns the class loss",
        ("one term drowns the other",),
        [{"train.box_loss_weight": weight} for weight in (2000.0, 20000.0, 200000.0)],
    ),
    Fault("too few steps", ("too few steps",), [RANDOM | {"train.steps": steps} for steps in (90, 50, 20)]),
    Fault(
        "darker pixels at inference",
        ("inference is not what training validated", "boxes are in another scale"),
        evaluation=other_pixels,
        amounts=(0.3, 0.1, 0.0),
        trains=False,
    ),
    Fault(
        "negative pictures at inference",
        ("inference is not what training validated",),
        evaluation=lambda _: other_pixels(-1.0, 255.0),
        amounts=(1.0, 1.0, 1.0),
        trains=False,
    ),
    Fault(
        "ids wrong at evaluation",
        ("wrong class ids",),
        evaluation=other_ids,
        amounts=(0.5, 0.9, 1.0),
        trains=False,
        base="two classes",
    ),
    Fault(
        "validation in training sees other pictures",
        ("validation in training is wrong",),
        training=other_validation,
        amounts=(0.9, 0.97, 1.0),
    ),
)
HEALTHY: dict[str, dict[str, Any]] = {
    "seed 0": {},
    "seed 1": {"train.seed": 1},
    "seed 2": {"train.seed": 2},
    "other splits": {"split.seed": 3},
    "sgd": {"train.optimizer": "sgd", "train.learning_rate": 0.16},
    "120 steps": {"train.steps": 120},
    "batch 12": {"train.batch_size": 12},
    "wider jitter": {"augment.jitter_min": 0.7, "augment.jitter_max": 1.3},
    "no mirror": {"augment.input_rand_hflip": False},
    "ciou": {"train.iou_loss_type": "ciou"},
    "seed 3": {"train.seed": 3},
    "seed 4": {"train.seed": 4},
    "other splits again": {"split.seed": 5},
    "more test photographs": {"split.test_fraction": 0.35},
    "other scenes": {"data.sample.seed": 1},
    "fewer scenes": {"data.sample.count": 240},
    "larger input": {"model.image_size": "128x192"},
    "half the rate": {"train.learning_rate": 0.012},
    "no moving average": {"train.moving_average_decay": 0.0},
    "hard nms": {"nms.method": "hard"},
}
"""Settings that a detector trains well with: seeds, data, sizes."""
