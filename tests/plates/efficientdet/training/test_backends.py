"""The same numbers from matching, losses and optimizer on TensorFlow and JAX."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

STEP = """
import json
import keras
import numpy as np
from keras import ops
from plates.efficientdet.model import anchors
from plates.efficientdet.training import losses, matching, optimizer, schedule
from plates.efficientdet.config import TrainConfig

grid = np.concatenate(list(anchors.per_level((128, 192), range(3, 6), 2, [1.0, 2.5], 2.0).values()))
random = np.random.default_rng(0)
low = random.uniform(0, 100, (3, 4, 2))
boxes = np.concatenate([low, low + random.uniform(3, 60, (3, 4, 2))], axis=-1).astype("float32")
classes = np.array([[1, 2, 0, 0], [2, -1, 1, 1], [0, 0, 0, 0]], "int32")
logits = random.normal(-3, 2, (3, len(grid), 2)).astype("float32")
deltas = random.normal(0, 0.3, (3, len(grid), 4)).astype("float32")
train = TrainConfig(iou_loss_type="ciou", label_smoothing=0.1, batch_size=3)
w = keras.Variable(np.ones((1, 2), "float32"), name="kernel")
v = keras.Variable(np.ones((4,), "float32"), name="bias")

def loss(w, v):
    targets = matching.assign(grid, boxes, classes)
    n = ops.sum(targets.num_positives) + 1.0
    found = losses.detection_loss({"class": logits * w, "box": deltas * v}, targets, grid, n, train, [1.0, 2.0])
    return found["det_loss"], (found, targets)

rates = schedule.build(train, 10, 40)
grids = {level: anchors.per_level((128, 192), [level], 2, [1.0, 2.5], 2.0)[level] for level in range(3, 6)}
adaptive = matching.assign(grid, boxes, classes, cells=[len(g) // 4 for g in grids.values()])
updates = optimizer.build(train, rates)
updates.build([w, v])
if keras.backend.backend() == "jax":
    import jax
    (_, (found, targets)), gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(w.value, v.value)
    state = [x.value for x in updates.variables]
    values, state = [w.value, v.value], state
    for _ in range(3):
        values, state = jax.jit(updates.stateless_apply)(state, list(gradients), values)
else:
    import tensorflow as tf
    @tf.function
    def step():
        with tf.GradientTape() as tape:
            total, (found, targets) = loss(w.value, v.value)
        return found, targets, tape.gradient(total, [w.value, v.value])
    found, targets, gradients = step()
    for _ in range(3):
        updates.apply(gradients, [w, v])
    values, state = [w, v], updates.variables
array = lambda x: np.asarray(ops.convert_to_numpy(x), np.float64)
print(json.dumps({
    "backend": keras.backend.backend(),
    "losses": {name: float(value) for name, value in found.items()},
    "positives": array(targets.num_positives).tolist(),
    "classes": array(targets.classes).tolist(),
    "adaptive": array(adaptive.classes).tolist(),
    "boxes": [float(np.square(array(targets.boxes)).sum())],
    "gradients": [array(g).tolist() for g in gradients],
    "weights": [array(x).tolist() for x in values],
    "state": [float(np.square(array(x)).sum()) for x in state],
    "rates": [float(rates(s)) for s in (0, 5, 10, 25, 40)],
}))
"""


def start(backend):
    return subprocess.Popen(
        [sys.executable, "-c", STEP],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    printed, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    return json.loads(printed)


def test_tensorflow_and_jax_agree():
    processes = [start("tensorflow"), start("jax")]
    ours, theirs = (result(process) for process in processes)
    assert (ours.pop("backend"), theirs.pop("backend")) == ("tensorflow", "jax")
    assert ours.pop("classes") == theirs.pop("classes")
    assert ours.pop("adaptive") == theirs.pop("adaptive")
    assert sum(ours["positives"]) > 5
    assert ours.pop("losses") == pytest.approx(theirs.pop("losses"), rel=1e-5)
    for name, values in ours.items():
        for one, other in zip(values, theirs[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-7, err_msg=name)
