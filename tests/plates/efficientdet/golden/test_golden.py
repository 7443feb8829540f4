"""The numbers of google/automl that travel with a clone; `parity/` compares the whole ones where they are at hand."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import rounding
import tensorflow as tf
from keras import ops

from plates.efficientdet.config import ModelConfig, TrainConfig
from plates.efficientdet.data.batches import Pictures, evaluation_batches
from plates.efficientdet.model import anchors, network
from plates.efficientdet.model.backbone_tables import MEAN_RGB, STDDEV_RGB
from plates.efficientdet.model.family import resolve
from plates.efficientdet.model.network import variable_name
from plates.efficientdet.training import losses, matching, optimizer
from plates.efficientdet.training.matching import Targets

sys.path.insert(0, str(Path(__file__).parent))
import golden_weights
from make_golden import EVERY_ANCHOR, EVERY_PIXEL, HERE, SETS

SPEC = resolve(ModelConfig(name="efficientdet-d0", image_size=256, num_classes=1))
TRAIN = TrainConfig(optimizer="sgd", reference=True)
GRID = anchors.generate(SPEC)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(HERE / "d0_256.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def images(tmp_path_factory, shared: Path) -> np.ndarray:
    """The two pictures of the reference as the network takes them, float32 [2, 256, 256, 3]; a clone has none."""
    folder = tmp_path_factory.mktemp("golden")
    shutil.copy(shared / "reference/d0_256/two.tfrecord", folder)
    shard = {"file": "two.tfrecord", "examples": 2, "bytes": 0, "sha256": ""}
    val = {"images": 2, "boxes": 8, "negatives": 0, "max_boxes": 5, "shards": [shard]}
    (folder / "manifest.json").write_text(
        json.dumps({"label_map": {1: "a"}, "splits": {"val": val}, "class_counts": {}})
    )
    (batch,) = evaluation_batches(folder, Pictures(SPEC.image_size, exact=True), 2).as_numpy_iterator()
    return ((batch["images"] - np.array(MEAN_RGB)) / np.array(STDDEV_RGB)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    built = network.build(SPEC, normalized_input=True)
    for variable in built.weights:
        variable.assign(golden_weights.draw(variable_name(variable), tuple(variable.shape)))
    return built


def dense(classes: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Box targets [..., 4] of all anchors from those of the positive ones."""
    found = np.zeros((*classes.shape, 4), np.float32)
    found[classes >= 0] = boxes
    return found


def test_pixels(golden, images):
    assert np.abs(images[:, ::EVERY_PIXEL, ::EVERY_PIXEL] - golden["pixels"]).max() < 1e-5


def test_anchors(golden):
    assert np.array_equal(GRID[::EVERY_ANCHOR], golden["anchors"])


@pytest.mark.parametrize("name", SETS)
def test_targets(golden, name):
    boxes, classes = golden[f"{name}/gt_boxes"][None], golden[f"{name}/gt_classes"].reshape(1, -1).astype(np.int32)
    if not boxes.size:
        boxes, classes = np.zeros((1, 1, 4), np.float32), np.zeros((1, 1), np.int32)
    found = [ops.convert_to_numpy(value)[0] for value in matching.assign(GRID, boxes, classes, reference=True)]
    assert np.array_equal(found[0], golden[f"{name}/classes"])
    assert np.abs(found[1] - dense(found[0], golden[f"{name}/boxes"])).max() < 1e-5
    assert found[2] == golden[f"{name}/num_positives"]


def test_logits_and_one_step(golden, images, model):
    """Losses, every gradient's norm and how far every variable moves in a step of SGD with both clips and L2."""
    outputs = {name: ops.convert_to_numpy(value) for name, value in model(images, training=False).items()}
    for ours, theirs in (("class", "cls"), ("box", "box")):
        assert np.abs(outputs[ours][:, ::EVERY_ANCHOR] - golden[f"logits/{theirs}"]).max() < 1e-3

    classes, positives = golden["step/classes"].astype(np.int32), golden["step/num_positives"]
    targets = Targets(classes, dense(classes, golden["step/boxes"]), positives)
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        terms = losses.detection_loss(model(images, training=True), targets, GRID, positives.sum() + 1, TRAIN)
    gradients = tape.gradient(terms["det_loss"], variables)
    expected = json.loads(str(golden["step/losses"]))
    found = {"det_loss": terms["det_loss"], "cls_loss": terms["class_loss"], "box_loss": terms["box_loss"]}
    for name, value in found.items():
        assert float(value) == pytest.approx(expected[name], rel=rounding.LOSS)

    decayed = [
        g + TRAIN.weight_decay * optimizer.is_decayed(v) * v.value for g, v in zip(gradients, variables, strict=True)
    ]
    norms = {variable_name(v): float(tf.norm(g)) for g, v in zip(decayed, variables, strict=True)}
    rounding.assert_close(norms, json.loads(str(golden["step/gradients"])), rel=2e-3, least=2e-3)

    sgd = optimizer.build(TRAIN, 0.01)
    sgd.apply(gradients, variables)
    assert float(sgd.gradient_norm.numpy()) == pytest.approx(float(golden["step/gradient"]), rel=1e-3)
    after = {variable_name(v): v.numpy() for v in model.variables}
    moved = {name: float(np.linalg.norm(v - golden_weights.draw(name, v.shape))) for name, v in after.items()}
    rounding.assert_close(moved, json.loads(str(golden["step/changes"])), rel=5e-3, least=2e-5)
