"""Known causes of a low mAP, each as a change of a healthy project, at three strengths.

A fault changes parameters, the tables of labels and splits, or the code that a run goes through; `causes` are the names
that `plates why` may call it by.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from faults import code, tables
from faults.tables import Edit

STRENGTHS = ("weak", "medium", "strong")


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


OFF = ("labels are not on the plates", "boxes are shifted", "boxes are in another scale", "x and y are swapped")
STORIES = (
    Fault(
        "the class head was never re-initialised",
        ("the class head was not re-initialised",),
        training=code.a_foreign_class_head,
        amounts=(-2.0, 0.0, 2.0),
    ),
    Fault(
        "a delivery from another camera",
        ("shifted split",),
        edit=tables.from_another_camera,
        amounts=(0.7, 0.5, 0.3),
        again=FROM_LABELS,
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
        training=code.half_loaded,
        amounts=(0.2, 0.5, 0.8),
    ),
    Fault(
        "x and y swapped in the labels",
        OFF,
        edit=tables.boxes(tables.swapped),
        amounts=(0.3, 0.7, 1.0),
        again=FROM_LABELS,
    ),
    Fault("boxes in another scale", OFF, edit=tables.boxes(tables.scaled), amounts=(0.85, 0.7, 0.4), again=FROM_LABELS),
    Fault(
        "labels shuffled between photographs",
        OFF,
        edit=tables.boxes(tables.shuffled),
        amounts=(0.3, 0.7, 1.0),
        again=FROM_LABELS,
    ),
    Fault("all boxes shifted", OFF, edit=tables.boxes(tables.shifted), amounts=(0.08, 0.15, 0.3), again=FROM_LABELS),
    Fault(
        "training boxes shifted, not those of test",
        (*OFF, "detections are shifted"),
        edit=tables.boxes(tables.shifted, "train", "val"),
        amounts=(0.08, 0.15, 0.3),
        again=FROM_LABELS,
    ),
    Fault(
        "boxes drawn carelessly", OFF, edit=tables.boxes(tables.shaken), amounts=(0.08, 0.15, 0.3), again=FROM_LABELS
    ),
    Fault(
        "plates without a label",
        ("plates without a label",),
        edit=tables.boxes(tables.unlabelled),
        amounts=(0.1, 0.2, 0.5),
        again=FROM_LABELS,
    ),
    Fault(
        "photographs of plates taken for negatives in train",
        ("plates without a label",),
        edit=tables.boxes(tables.unlabelled, "train"),
        amounts=(0.2, 0.5, 0.8),
        again=FROM_LABELS,
    ),
    Fault(
        "no photograph of train has a box",
        (),
        edit=tables.boxes(tables.unlabelled, "train"),
        amounts=(1.0, 1.0, 1.0),
        again=("tfrecords",),
        stops="No image of the first",
    ),
    Fault(
        "test is not like train", ("shifted split",), edit=tables.by_size, amounts=(0.5, 0.8, 1.0), again=FROM_LABELS
    ),
    Fault("test plates are in train", ("leaked split",), edit=tables.leaked, amounts=(0.1, 0.5, 1.0), trains=False),
    Fault(
        "copies of photographs",
        ("duplicate photographs",),
        edit=tables.copied,
        amounts=(0.3, 0.6, 0.9),
        again=FROM_LABELS,
    ),
    Fault(
        "few photographs",
        ("few labelled plates", "too few steps"),
        [RANDOM | {"split.test_fraction": 0.45, "split.val_fraction": share} for share in (0.4, 0.43, 0.47)],
        again=FROM_SPLITS,
    ),
    Fault(
        "a class absent in train",
        ("a class is absent",),
        edit=tables.boxes(tables.without_green, "train"),
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
        evaluation=code.pixels(code.darker),
        amounts=(0.3, 0.1, 0.0),
        trains=False,
    ),
    Fault(
        "negative pictures at inference",
        ("inference is not what training validated",),
        evaluation=code.pixels(code.negative),
        amounts=(1.0, 1.0, 1.0),
        trains=False,
    ),
    Fault(
        "ids wrong at evaluation",
        ("wrong class ids",),
        evaluation=code.other_ids,
        amounts=(0.5, 0.9, 1.0),
        trains=False,
        base="two classes",
    ),
    Fault(
        "validation in training sees other pictures",
        ("validation in training is wrong",),
        training=code.other_validation,
        amounts=(0.9, 0.97, 1.0),
    ),
    Fault(
        "validation in training is augmented",
        ("validation in training is wrong",),
        training=code.augmented_validation,
        amounts=(0.7, 0.4, 0.2),
    ),
    Fault(
        "RGB as BGR at inference",
        ("inference is not what training validated",),
        evaluation=code.pixels(code.as_bgr),
        amounts=(0.4, 0.7, 1.0),
        trains=False,
    ),
    Fault(
        "RGB as BGR in training",
        ("inference is not what training validated",),
        training=code.pixels(code.as_bgr),
        amounts=(0.7, 1.0, 1.0),
    ),
    Fault(
        "normalisation by 255, missing, or twice",
        ("wrong mean or deviation of pixels",),
        training=code.normalised_otherwise,
        evaluation=code.normalised_otherwise,
        amounts=(0, 1, 2),
    ),
    Fault(
        "ids off by one in training",
        ("labels do not reach training", "wrong class ids"),
        training=code.ids_from_zero,
        amounts=(0.3, 0.7, 1.0),
        base="two classes",
    ),
    Fault(
        "ids off by one at evaluation",
        (),
        evaluation=code.ids_one_higher,
        amounts=(0.3, 0.7, 1.0),
        trains=False,
        stops="label map",
    ),
    Fault(
        "class weights inverted",
        ("classes out of balance",),
        [{"train.class_weights": "inverse"}] * 3,
        training=code.inverted_weights,
        amounts=(1.0, 2.0, 3.0),
        base="two classes",
    ),
    Fault(
        "positives have no weight in the focal loss",
        ("dead class head",),
        [{"train.alpha": alpha} for alpha in (0.01, 0.001, 0.0001)],
    ),
    Fault(
        "stale checkpoint: labels drawn anew after training",
        ("stale checkpoint",),
        edit=tables.boxes(tables.tightened),
        amounts=(0.9, 0.75, 0.6),
        again=("tfrecords",),
        trains=False,
    ),
    Fault(
        "corrupted shard",
        (),
        edit=tables.corrupted,
        amounts=(0.0, 0.001, 0.5),
        stops="the CRC of",
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
