"""One step of training: losses, gradients, both clips, weight decay, SGD, batch norm's statistics."""

import numpy as np
import pytest
import rounding
import tensorflow as tf

from plates.efficientdet.config import ModelConfig, TrainConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.family import resolve
from plates.efficientdet.model.network import variable_name
from plates.efficientdet.training import losses, optimizer
from plates.efficientdet.training.matching import Targets

TRAIN = TrainConfig(optimizer="sgd", reference=True)


def published_targets(loaded) -> Targets:
    classes = [loaded[f"train_label/cls_targets_{level}"].reshape(2, -1) for level in range(3, 8)]
    boxes = [loaded[f"train_label/box_targets_{level}"].reshape(2, -1, 4) for level in range(3, 8)]
    return Targets(
        np.concatenate(classes, axis=1),
        np.concatenate(boxes, axis=1),
        loaded["train_label/mean_num_positives"][:, 0],
    )


@pytest.fixture(scope="module")
def step(published_256):
    """Runs it: (losses, norms of the gradients, norms of the changes, the network, its training-mode outputs)."""
    spec = resolve(ModelConfig(name="efficientdet-d0", image_size=256, num_classes=1))
    model = network.build(spec, normalized_input=True)
    weights = published_256.arrays("weights")
    for variable in model.variables:
        variable.assign(weights[variable_name(variable)])
    loaded = published_256.arrays("dataloader_eval")
    targets = published_targets(loaded)
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        outputs = model(loaded["images"], training=True)
        normalizer = targets.num_positives.sum() + 1
        terms = losses.detection_loss(outputs, targets, published_256.anchors, normalizer, TRAIN)
    gradients = tape.gradient(terms["det_loss"], variables)
    kernels = [v for v in variables if optimizer.is_decayed(v)]
    found = {
        "det_loss": terms["det_loss"],
        "cls_loss": terms["class_loss"],
        "box_loss": terms["box_loss"],
        "reg_l2_loss": losses.l2_loss(kernels, TRAIN.weight_decay),
    }
    found = {name: float(value) for name, value in found.items()}
    found["loss"] = found["det_loss"] + found["reg_l2_loss"]
    norms = {
        variable_name(v): float(tf.norm(g + TRAIN.weight_decay * optimizer.is_decayed(v) * v.value))
        for g, v in zip(gradients, variables, strict=True)
    }
    sgd = optimizer.build(TRAIN, 0.01)
    sgd.apply(gradients, variables)
    changes = {variable_name(v): float(np.linalg.norm(v.numpy() - weights[variable_name(v)])) for v in model.variables}
    return found, norms, changes, model, outputs, float(sgd.gradient_norm.numpy())


def test_losses_of_the_step(step, published_256):
    expected = published_256.json("train_step")["loss"]
    assert step[0] == pytest.approx(expected, rel=rounding.LOSS)


def test_outputs_in_training_mode(step, published_256):
    after = published_256.arrays("train_step_after")
    for kind, last in {"class": 1, "box": 4}.items():
        short = {"class": "cls", "box": "box"}[kind]
        levels = [after[f"{short}_train_P{level}"].reshape(2, -1, last) for level in range(3, 8)]
        assert np.abs(step[4][kind].numpy() - np.concatenate(levels, axis=1)).max() < rounding.LOGITS


def test_every_gradient(step, published_256):
    expected = published_256.json("train_step")
    rounding.assert_close(step[1], expected["grad_norm_per_variable"], rel=2e-3, least=2e-3)
    assert step[5] == pytest.approx(expected["global_norm_raw"], rel=1e-3)


def test_every_variable_moves_as_far(step, published_256):
    expected = published_256.json("train_step")["all_weights_after_delta_norm"]
    assert step[2].keys() == expected.keys()
    rounding.assert_close(step[2], expected, rel=5e-3, least=2e-5)


def test_variables_move_the_same_way(step, published_256):
    """The change of each variable that was kept, as a vector, differs by less than a twentieth of its length."""
    before, after = published_256.arrays("weights"), published_256.arrays("train_step_after")
    found = {variable_name(v): v.numpy() for v in step[3].variables}
    compared = [name for name in after if name in found]
    assert len(compared) == 13
    for name in compared:
        moved, expected = found[name] - before[name], after[name] - before[name]
        assert np.linalg.norm(moved - expected) < 0.05 * np.linalg.norm(expected) + 1e-5, name
