"""One device, several, two processes, JAX, 16 bits: the same numbers."""

import json
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import run_toy as toy_steps
import toy
from processes import arrays, result, run_toy

from plates.efficientdet.keras_private import layers_of
from plates.efficientdet.training import devices
from plates.efficientdet.training.build import build
from plates.efficientdet.training.loop import train
from plates.errors import UserError


def test_fewer_pictures_than_devices_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "strategy", lambda name: SimpleNamespace(num_replicas_in_sync=2))
    with pytest.raises(UserError, match="gives 2 devices less than a picture each"):
        train(toy.spec(), toy.train_config(batch_size=1), toy.data(1), tmp_path / "c", tmp_path / "w")


def test_a_step_gives_the_same_numbers_on_any_number_of_devices():
    """Three steps from the same weights: one device; two logical devices; Keras's `fit`."""
    two_devices = run_toy("steps", "gpus")
    expected = np.array(toy_steps.steps("one"))
    assert expected[0, 0] != pytest.approx(expected[2, 0], rel=1e-2)
    np.testing.assert_allclose(toy_steps.steps("fit"), expected[:, :1], rtol=1e-4)
    np.testing.assert_allclose(result(two_devices), expected, rtol=1e-4)


@pytest.mark.long
def test_a_step_gives_the_same_numbers_on_jax():
    jax = run_toy("steps", "fit", KERAS_BACKEND="jax", XLA_FLAGS="--xla_backend_optimization_level=0")
    np.testing.assert_allclose(result(jax), np.array(toy_steps.steps("one"))[:, :1], rtol=1e-4)


@pytest.mark.long
def test_a_step_gives_the_same_numbers_in_two_processes():
    workers = [run_toy("steps", "multiworker", TF_CONFIG=task) for task in tf_config(23461, 23462)]
    for worker in workers:
        np.testing.assert_allclose(result(worker), toy_steps.steps("one"), rtol=1e-4)


@pytest.mark.long
def test_a_run_on_many_devices_that_was_stopped_ends_as_a_whole_one(tmp_path):
    """Two logical devices, whole and stopped; two processes with folders of their own, stopped after three steps."""
    whole, again = result(run_toy("resumed", str(tmp_path)))
    assert len(whole[0]) == 5
    assert_same_run(again, whole)
    for stop, ports in (("3", (23463, 23464)), ("0", (23465, 23466))):
        workers = [
            run_toy("trained", str(tmp_path / f"worker{index}"), stop, TF_CONFIG=task)
            for index, task in enumerate(tf_config(*ports))
        ]
        ends = [result(worker) for worker in workers]
    for end in ends:
        assert_same_run(end, whole)
    first, second = (arrays(tmp_path / f"worker{index}/checkpoint/best.weights.h5") for index in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.long
def test_a_sigterm_to_one_of_two_processes_has_both_save_the_same_step(tmp_path):
    def run(stops: tuple[str, str], *ports: int) -> list[tuple[int, str]]:
        tasks = zip(stops, tf_config(*ports), strict=True)
        workers = [
            run_toy("trained", str(tmp_path / str(index)), stop, TF_CONFIG=task)
            for index, (stop, task) in enumerate(tasks)
        ]
        said = [worker.communicate(timeout=500)[1] for worker in workers]
        return [(worker.returncode, error) for worker, error in zip(workers, said, strict=True)]

    def steps() -> list[int]:
        return [json.loads(file.read_text())["step"] for file in states]

    states = [tmp_path / str(index) / "work/state/state.json" for index in range(2)]
    assert [code for code, _ in run(("0", "-3"), 23467, 23468)] == [-signal.SIGTERM] * 2
    assert steps() == [3, 3]
    states[1].write_text(states[1].read_text().replace('"step": 3', '"step": 2'))
    for code, error in run(("0", "0"), 23469, 23470):
        assert code == 1
        assert "the workers are at different steps (2, 3; this one at" in error
    assert steps() == [3, 2]


def assert_same_run(one: list, other: list) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-4)
    assert one[1:] == pytest.approx(other[1:], rel=1e-4)


def tf_config(*ports: int) -> list[str]:
    """TF_CONFIG of each of two processes here."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_16_bit_learns_with_float32_weights_and_outputs(precision):
    config = toy.train_config(steps=30, mixed_precision=precision, learning_rate=0.02)
    with devices.precision(precision):
        detector = build(toy.spec(), config, toy.data(2), 30)
    assert isinstance(detector.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "float16")
    images, targets = toy.batches(1)[0]
    known = {name: targets[name] for name in ("gt_boxes", "gt_classes")}
    losses = [float(detector.train_on_batch(images, known, return_dict=True)["loss"]) for _ in range(12)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])
    assert {str(variable.dtype) for variable in detector.network.weights if "seed" not in variable.path} == {"float32"}
    outputs = detector.network(images)
    assert {str(value.dtype).removeprefix("<dtype: '").rstrip("'>") for value in outputs.values()} == {"float32"}
    norms = [n for n in layers_of(detector.network) if isinstance(n, keras.layers.BatchNormalization)]
    assert {norm.compute_dtype for norm in norms} == {precision}
