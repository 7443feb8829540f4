"""Every knob of the detector changes something that can be seen, or is refused in words."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from plates.efficientdet.checkpoints import load_pretrained
from plates.efficientdet.config import AugmentConfig, ModelConfig, NmsConfig, TrainConfig
from plates.efficientdet.config.run_length import number_of_steps
from plates.efficientdet.data.tfrecords import write
from plates.efficientdet.inference import postprocess
from plates.efficientdet.keras_private import layers_of
from plates.efficientdet.model import anchors, network
from plates.efficientdet.model.family import resolve
from plates.efficientdet.training import devices, freeze, losses, matching, optimizer, schedule
from plates.efficientdet.training.build import build
from plates.efficientdet.training.data import Data, from_tfrecords
from plates.efficientdet.training.detector import Detector
from plates.efficientdet.training.history import Row
from plates.efficientdet.training.loop import Training
from plates.errors import UserError
from plates.photographs.content import Photographs

SMALL = {
    "image_size": 64, "max_level": 4, "fpn_num_filters": 8, "fpn_cell_repeats": 1, "box_class_repeats": 2,
    "aspect_ratios": [1.0, 2.0], "num_scales": 1, "anchor_scale": 2.0, "num_classes": 2,
}  # fmt: skip
TWO = {"label_map": {1: "a", 2: "b"}}


def bare(values: dict[str, Any]) -> dict[str, Any]:
    """Settings that build the small network: None in `values` takes a setting out."""
    return {name: value for name, value in (SMALL | values).items() if value is not None}


# --- What is looked at: each takes settings and gives something to compare.


def variables(values: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    built = network.build(resolve(ModelConfig(**bare(values))))
    return sorted((network.variable_name(v), tuple(v.shape)) for v in built.weights)


def boxes_of_anchors(values: dict[str, Any]) -> list[float]:
    return anchors.generate(resolve(ModelConfig(**bare(values)))).ravel().tolist()


def logits(values: dict[str, Any]) -> list[float]:
    keras.utils.set_random_seed(0)
    spec = resolve(ModelConfig(**bare(values)))
    images = np.random.default_rng(0).integers(0, 256, (1, *spec.image_size, 3)).astype(np.float32)
    return np.asarray(network.build(spec)(images, training=True)["class"]).ravel().tolist()


def recomputed(values: dict[str, Any]) -> int:
    spec = resolve(ModelConfig(**bare(values)))
    built = network.build(spec)
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        remat = keras.remat
        patch.setattr(keras, "remat", lambda function: calls.append(function) or remat(function))
        built(np.zeros((1, *spec.image_size, 3), np.float32), training=True)
    return min(len(calls), 1)


def classes(values: dict[str, Any]) -> int:
    return resolve(ModelConfig(**SMALL | {"num_classes": None} | values), num_classes=1).num_classes


def loaded(values: dict[str, Any]) -> str:
    """What becomes of pretrained weights whose backbone is another one's."""
    folder = Path(values.pop("folder"))
    other = network.build(resolve(ModelConfig(**SMALL | {"backbone": "efficientnet-lite0"})))
    other.save_weights(folder / "other.weights.h5")
    config = ModelConfig(**SMALL | {"pretrained": str(folder / "other.weights.h5")} | values)
    try:
        return load_pretrained(network.build(resolve(config)), config, folder).say()
    except UserError as error:
        return str(error)


def rates(values: dict[str, Any]) -> list[float]:
    curve = schedule.build(TrainConfig(**values), steps_per_epoch=10, total_steps=60)
    return [float(curve(step)) for step in range(0, 61, 3)]


def length(values: dict[str, Any]) -> int:
    return number_of_steps(TrainConfig(**values), images=40)


def cadence(values: dict[str, Any]) -> tuple[int, int]:
    """Steps between evaluations, and between saved states."""
    run = training(values)
    return run.eval_every, run.checkpoint_every


def training(values: dict[str, Any]) -> Training:
    data = Data(lambda start: [], 8)
    return Training(resolve(ModelConfig(**SMALL)), TrainConfig(steps=100, **values), data, Path("none"), {}, str)


def early_stop(values: dict[str, Any]) -> bool:
    """Whether a run ends whose third evaluation is its best, at its fifth."""
    run = training(values)
    figures = dict.fromkeys(("loss", "cls", "box", "iou", "seg", "l2", "gradient_norm"), 1.0)
    counts = dict.fromkeys(("positives", "boxes", "ignored", "learning_rate"), 1.0)
    scores = (0.1, 0.2, 0.5, 0.4, 0.3)
    run.progress.history.rows = [
        Row(step=step, validation=score, **figures, **counts) for step, score in enumerate(scores, start=1)
    ]
    run.progress.step, run.progress.best, run.progress.best_step = 5, 0.5, 3
    return run._patience_is_over()


def determinism(values: dict[str, Any]) -> int:
    """How often TensorFlow is asked for it; not really, since it holds for the rest of the process."""
    asked: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "be_deterministic", lambda: asked.append(True))
        training(values)
    return len(asked)


def weights_after(values: dict[str, Any]) -> list[float]:
    """Weights and averages after three steps on a kernel and a bias."""
    kernel, bias = keras.Variable(np.ones((3, 2), "float32"), name="kernel"), keras.Variable([1.0, 2.0], name="bias")
    found = optimizer.build(TrainConfig(**values), 0.1)
    for step in range(3):
        found.apply([np.full((3, 2), 9.0 - step, "float32"), np.float32([0.1, 30.0])], [kernel, bias])
    raw = kernel.numpy().ravel().tolist() + bias.numpy().tolist()
    with optimizer.averaged_weights(found):
        return raw + kernel.numpy().ravel().tolist()


def loss(values: dict[str, Any]) -> list[float]:
    """The detector's loss of fixed outputs."""
    spec = resolve(ModelConfig(**SMALL))
    grid = anchors.generate(spec)
    random = np.random.default_rng(0)
    # The second box is an anchor itself: its offsets are exactly 0.
    boxes = np.stack([[8.0, 8.0, 40.0, 50.0], grid[100]])[None].astype(np.float32)
    targets = matching.assign(grid, boxes, np.int32([[1, 2]]))
    outputs = {"class": random.normal(-1, 2, (1, len(grid), 2)), "box": random.normal(0, 0.3, (1, len(grid), 4))}
    outputs = {name: value.astype(np.float32) for name, value in outputs.items()}
    config = TrainConfig(**values)
    taught = {name: value[:, ::-1] for name, value in outputs.items()} if config.teacher else None
    found = losses.detection_loss(outputs, targets, grid, 3.0, config, taught=taught)
    return [float(value) for value in found.values()]


def positives(values: dict[str, Any]) -> float:
    """Anchors that learn one of two boxes, in the detector's own loss."""
    spec = resolve(ModelConfig(**SMALL))
    detector = Detector(network.build(spec), spec, TrainConfig(**values))
    boxes = np.float32([[[8, 8, 40, 50], [30, 20, 36, 44]]])
    outputs = {"class": np.zeros((1, len(detector.anchors), 2)), "box": np.zeros((1, len(detector.anchors), 4))}
    detector.compute_loss(None, {"gt_boxes": boxes, "gt_classes": np.int32([[1, 2]])}, outputs, training=False)
    return float(detector.means["positives"].result())


def built(values: dict[str, Any]) -> tuple[Any, ...]:
    data = Data(lambda start: [], 8, label_map=TWO["label_map"], class_counts=(90, 10))
    config = TrainConfig(**values)
    with devices.precision(config.mixed_precision):
        detector = build(resolve(ModelConfig(**SMALL)), config, data, 100)
    norm = next(layer for layer in layers_of(detector.network) if isinstance(layer, keras.layers.BatchNormalization))
    kernel = next(v for v in detector.network.weights if v.path.endswith("kernel"))
    return detector.class_weights, norm.momentum, norm.compute_dtype, kernel.numpy().ravel()[:4].tolist()


def frozen(values: dict[str, Any]) -> tuple[int, int]:
    model = network.build(resolve(ModelConfig(**SMALL)))
    freeze.apply(model, TrainConfig(**values))
    return len(model.trainable_variables), sum(layer.trainable for layer in layers_of(model))


def devices_for(values: dict[str, Any]) -> str:
    try:
        return str(devices.strategy(TrainConfig(**values).strategy))
    except UserError as error:
        return str(error)


def batches(values: dict[str, Any]) -> list[bytes]:
    """The first eight training batches; `model`, `train` and `augment` settings together."""
    folder = Path(values.pop("folder"))
    augment = AugmentConfig(**{k: v for k, v in values.items() if k in AugmentConfig.model_fields})
    train = TrainConfig(batch_size=2, **{k: v for k, v in values.items() if k in TrainConfig.model_fields})
    model = ModelConfig(**SMALL | {k: v for k, v in values.items() if k in ModelConfig.model_fields})
    data = from_tfrecords(folder, resolve(model), train, augment)
    return [
        np.asarray(array).tobytes()
        for images, targets in data.training(0).take(8)
        for array in (images, targets["gt_boxes"], targets["gt_classes"])
    ]


def detections(values: dict[str, Any]) -> list[float]:
    """Of 40 boxes in two classes that overlap at random."""
    random = np.random.default_rng(0)
    low = random.uniform(0, 30, (40, 2))
    grid = np.concatenate([low, low + random.uniform(10, 34, (40, 2))], axis=1).astype(np.float32)
    outputs = {"class": random.normal(0, 2, (1, 40, 2)), "box": np.zeros((1, 40, 4))}
    outputs = {name: value.astype(np.float32) for name, value in outputs.items()}
    found = postprocess.detect(outputs, grid, np.ones(1, np.float32), (64, 64), NmsConfig(**values))
    return [float(number) for name in ("scores", "boxes", "valid_len") for number in np.ravel(found[name])]


MODEL = {
    "name": (variables, {"name": "efficientdet-lite0"}),
    "backbone": (variables, {"backbone": "efficientnetv2-b0"}),
    "pretrained": (loaded, {"pretrained": "nowhere.weights.h5"}),
    "pretrained_sha256": (loaded, {"pretrained_sha256": "0" * 64}),
    "allow_partial_backbone": (loaded, {"allow_partial_backbone": True}),
    "image_size": (boxes_of_anchors, {"image_size": "96x64"}),
    "num_classes": (variables, {"num_classes": 3}),
    "label_map": (classes, TWO),
    "heads": (variables, {"heads": ["object_detection", "segmentation"]}),
    "min_level": (variables, {"min_level": 2}),
    "max_level": (variables, {"max_level": 5}),
    "num_scales": (boxes_of_anchors, {"num_scales": 2}),
    "aspect_ratios": (boxes_of_anchors, {"aspect_ratios": [1.0, 3.0]}),
    "anchor_scale": (boxes_of_anchors, {"anchor_scale": [2.0, 3.0]}),
    "fpn_num_filters": (variables, {"fpn_num_filters": 16}),
    "fpn_cell_repeats": (variables, {"fpn_cell_repeats": 2}),
    "box_class_repeats": (variables, {"box_class_repeats": 1}),
    "fpn_weight_method": (variables, {"fpn_weight_method": "channel_attn"}),
    "act_type": (logits, {"act_type": "relu6"}),
    "survival_prob": (logits, {"survival_prob": 0.5}),
    "separable_conv": (variables, {"separable_conv": False}),
    "mean_rgb": (logits, {"mean_rgb": 127.0}),
    "stddev_rgb": (logits, {"stddev_rgb": [100.0, 57.0, 57.0]}),
    "grad_checkpoint": (recomputed, {"grad_checkpoint": True}),
    "seg_num_classes": (variables, {"seg_num_classes": 3, "heads": ["segmentation"]}, {"heads": ["segmentation"]}),
}
TRAIN = {
    "steps": (length, {"steps": 7}),
    "num_epochs": (length, {"num_epochs": 2}),
    "batch_size": (length, {"num_epochs": 2, "batch_size": 4}, {"num_epochs": 2}),
    "learning_rate": (rates, {"learning_rate": 0.08}),
    "optimizer": (weights_after, {"optimizer": "sgd"}),
    "momentum": (weights_after, {"momentum": 0.5}),
    "weight_decay": (weights_after, {"weight_decay": 0.1}),
    "lr_warmup_epoch": (rates, {"lr_warmup_epoch": 0.5}),
    "lr_warmup_init": (rates, {"lr_warmup_init": 0.0}),
    "lr_decay_method": (rates, {"lr_decay_method": "polynomial"}),
    "first_lr_drop_epoch": (rates, {"first_lr_drop_epoch": 2}, {"lr_decay_method": "stepwise"}),
    "second_lr_drop_epoch": (
        rates,
        {"second_lr_drop_epoch": 3, "first_lr_drop_epoch": 2, "lr_decay_method": "stepwise"},
        {"first_lr_drop_epoch": 2, "lr_decay_method": "stepwise"},
    ),
    "poly_lr_power": (rates, {"poly_lr_power": 2.0}, {"lr_decay_method": "polynomial"}),
    "clip_gradients_norm": (weights_after, {"clip_gradients_norm": 1.0}, {"optimizer": "sgd"}),
    "moving_average_decay": (weights_after, {"moving_average_decay": 0}),
    "label_smoothing": (loss, {"label_smoothing": 0.1}),
    "alpha": (loss, {"alpha": 0.5}),
    "gamma": (loss, {"gamma": 2.0}),
    "delta": (loss, {"delta": 0.2}),
    "assignment": (positives, {"assignment": "iou"}),
    "quality_loss": (loss, {"quality_loss": "qfl"}),
    "box_loss_weight": (loss, {"box_loss_weight": 10.0}),
    "iou_loss_type": (loss, {"iou_loss_type": "ciou"}),
    "iou_loss_weight": (loss, {"iou_loss_weight": 2.0}, {"iou_loss_type": "giou"}),
    "teacher": (loss, {"teacher": "a larger one"}),
    "teacher_weight": (loss, {"teacher_weight": 3.0}, {"teacher": "a larger one"}),
    "var_freeze_expr": (frozen, {"var_freeze_expr": "efficientnet"}),
    "is_training_bn": (frozen, {"is_training_bn": False}),
    "batch_norm_momentum": (built, {"batch_norm_momentum": 0.5}),
    "mixed_precision": (built, {"mixed_precision": "bfloat16"}),
    "strategy": (devices_for, {"strategy": "multiworker"}),
    "seed": (built, {"seed": 1}),
    "eval_every": (cadence, {"eval_every": 3}),
    "patience": (early_stop, {"patience": 2}),
    "checkpoint_every": (cadence, {"checkpoint_every": 3}),
    "class_weights": (built, {"class_weights": "inverse"}),
    "balanced_sampling": (batches, {"balanced_sampling": True}),
    "deterministic": (determinism, {"deterministic": True}),
    "reference": (loss, {"reference": True}),
}
AUGMENT = {
    "input_rand_hflip": (batches, {"input_rand_hflip": False}),
    "jitter_min": (batches, {"jitter_min": 0.5}),
    "jitter_max": (batches, {"jitter_max": 2.0}),
    "crop_width": (batches, {"crop_width": 0.5}, {"image_size": "128x64"}),
    "crop_height": (batches, {"crop_height": 0.5}, {"image_size": "64x128"}),
    "copy_paste": (batches, {"copy_paste": 1.0}),
    "autoaugment_policy": (batches, {"autoaugment_policy": "v0"}),
    "min_visible_area": (batches, {"min_visible_area": 1.0}, {"jitter_max": 2.0}),
    "min_box_side": (batches, {"min_box_side": 12.0}),
}
NMS = {
    "method": (detections, {"method": "hard"}),
    "iou_thresh": (detections, {"iou_thresh": 0.2}, {"method": "hard"}),
    "score_thresh": (detections, {"score_thresh": 0.4}),
    "sigma": (detections, {"sigma": 0.2}),
    "max_nms_inputs": (detections, {"max_nms_inputs": 10}),
    "max_output_size": (detections, {"max_output_size": 5}),
    "per_class": (detections, {"per_class": True}),
    "voting": (detections, {"voting": 0.3}),
}
SECTIONS = {ModelConfig: MODEL, TrainConfig: TRAIN, AugmentConfig: AUGMENT, NmsConfig: NMS}


@pytest.fixture
def examples(photographs, tmp_path) -> Path:
    """Nine pictures, two of them with a plate of the rarer class."""
    root, boxes, splits = photographs(9, ("train",))
    boxes["class"] = boxes["class"].mask(boxes["class"].notna(), ["b", "b", *"a" * 7])
    write(boxes, splits, TWO["label_map"], Photographs(root), tmp_path / "examples", workers=1)
    return tmp_path / "examples"


def test_every_knob_is_looked_at():
    for section, table in SECTIONS.items():
        assert table.keys() == section.model_fields.keys()


@pytest.mark.parametrize("knob", [f"{s.__name__}.{knob}" for s, table in SECTIONS.items() for knob in table])
def test_a_changed_value_shows(knob, request, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    section, _, name = knob.partition(".")
    look, changed, *given = next(table for s, table in SECTIONS.items() if s.__name__ == section)[name]
    assert name in changed
    before = given[0] if given else {}
    if look in (batches, loaded):
        folder = {"folder": str(request.getfixturevalue("examples") if look is batches else tmp_path)}
        assert look(before | folder) != look(before | changed | folder)
    else:
        assert seen(look, json.dumps(before)) != look(before | changed)


@cache
def seen(look: Callable[[dict[str, Any]], Any], values: str) -> Any:
    """What the settings of many tests show, looked at once."""
    return look(json.loads(values))


@pytest.mark.parametrize("look", [logits, weights_after, loss, detections])
def test_the_same_values_show_the_same(look):
    """Otherwise the test above would pass by chance."""
    assert seen(look, "{}") == look({})


def test_the_same_batches_come_again(examples):
    assert batches({"folder": examples}) == batches({"folder": examples})
