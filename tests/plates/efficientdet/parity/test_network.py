"""The network gives google/automl's logits with its weights, on every backend."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.family import resolve
from plates.efficientdet.model.network import variable_name

CLASSES = {256: 1, 512: 90}
ON_ANOTHER_BACKEND = """
import json, sys, keras, numpy as np
from plates.efficientdet.model import network
from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model.family import resolve
folder = sys.argv[1]
spec = resolve(ModelConfig(name="efficientdet-d0", image_size=256, num_classes=1))
model = network.build(spec, normalized_input=True)
weights = np.load(f"{folder}/weights.npz")
for variable in model.weights:
    variable.assign(weights[network.variable_name(variable)])
outputs = model.predict(np.load(f"{folder}/dataloader_eval.npz")["images"], verbose=0)
np.savez(sys.argv[2], **outputs)
print(json.dumps([keras.backend.backend(), "tensorflow" in sys.modules]))
"""


@pytest.fixture(scope="module")
def found(published) -> dict[str, Any]:
    """The logits, and the pyramid before (`in`) and after (`out`) BiFPN, of the network with the published weights."""
    size = published.image_size[0]
    spec = resolve(ModelConfig(name="efficientdet-d0", image_size=size, num_classes=CLASSES[size]))
    model = network.build(spec, normalized_input=True)
    weights = published.arrays("weights")
    assert {variable_name(v) for v in model.weights} == set(weights)
    for variable in model.weights:
        variable.assign(weights[variable_name(variable)])
    cells = [layer for layer in model.layers if layer.name.startswith("fpn_cells.")]
    everything = keras.Model(model.input, {**model.output, "in": cells[0].input, "out": cells[-1].output})
    return everything.predict(published.arrays("dataloader_eval")["images"], verbose=0)


def test_logits_of_every_level(found, published):
    for name, expected in published.outputs.items():
        assert found[name].shape == expected.shape
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-3)


def test_pyramid_before_and_after_bifpn(found, published):
    expected = published.arrays("intermediates")
    for end in ("in", "out"):
        for level, feature in zip(range(3, 8), found[end], strict=True):
            steps = [max(1, length // 8) for length in feature.shape[1:3]]
            key = f"fpn_{end}_P{level}"
            sampled = feature[:, :: steps[0], :: steps[1]]
            np.testing.assert_allclose(sampled, expected[f"{key}_sub"], rtol=0, atol=1e-3)
            np.testing.assert_allclose(feature.mean((0, 1, 2)), expected[f"{key}_mean_c"], rtol=0, atol=1e-3)
            np.testing.assert_allclose(feature.std((0, 1, 2)), expected[f"{key}_std_c"], rtol=0, atol=1e-3)


def test_jax_gives_the_same_logits_without_tensorflow(published_256, tmp_path: Path):
    root = Path(__file__).parents[4]
    run = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, str(published_256.folder), str(tmp_path / "out.npz")],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout.splitlines()[-1]) == ["jax", False]
    found = np.load(tmp_path / "out.npz")
    for name, expected in published_256.outputs.items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-3)
