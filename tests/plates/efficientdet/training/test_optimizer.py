import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.training import optimizer
from plates.efficientdet.training.packing import LANES, Packing

SHAPES = {"kernel": (3, 3, 4, 40), "gamma": (40,), "scalar": (), "pointwise_kernel": (1, 1, 7, 5), "bias": (1,)}


def variables(seed=0):
    random = np.random.default_rng(seed)
    return [keras.Variable(random.normal(size=s).astype("float32"), name=n) for n, s in SHAPES.items()]


def gradients(step, scale=1.0):
    random = np.random.default_rng(100 + step)
    return [(scale * random.normal(size=s)).astype("float32") for s in SHAPES.values()]


def numbers(found):
    return [ops.convert_to_numpy(value) for value in found]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(1, 20), max_size=3).map(tuple), min_size=1, max_size=6))
def test_packing_and_unpacking_is_the_identity(shapes):
    packing = Packing(shapes)
    tensors = [np.random.default_rng(i).normal(size=s).astype("float32") for i, s in enumerate(shapes)]
    matrix = packing.pack(tensors)
    assert matrix.shape == packing.shape
    assert packing.shape[1] == LANES
    for before, after in zip(tensors, numbers(packing.unpack(matrix)), strict=True):
        assert np.array_equal(before, after)
    norms = [np.sum(np.square(t, dtype=np.float64)) for t in tensors]
    np.testing.assert_allclose(numbers([packing.square_norms(matrix)])[0], norms, rtol=1e-4)


class Plain:
    """The same step in NumPy, variable by variable."""

    def __init__(self, train: TrainConfig, rate: float, values) -> None:
        self.train, self.rate, self.step = train, rate, 0
        self.values = [value.astype(np.float64) for value in values]
        self.average = [value.copy() for value in self.values]
        self.first = [np.zeros_like(value) for value in self.values]
        self.second = [np.zeros_like(value) for value in self.values]
        self.decayed = [name.endswith("kernel") for name in SHAPES]

    def apply(self, grads) -> None:
        train = self.train
        coupled = train.weight_decay * (train.optimizer != "adamw")
        grads = [g + coupled * d * v for g, d, v in zip(grads, self.decayed, self.values, strict=True)]
        clip = train.clip_gradients_norm
        grads = [g * min(1, clip / np.linalg.norm(g)) for g in grads]
        together = np.sqrt(sum(np.sum(g**2) for g in grads))
        for i, gradient in enumerate(g * min(1, clip / together) for g in grads):
            if train.optimizer == "sgd":
                self.first[i] = train.momentum * self.first[i] - self.rate * gradient
                self.values[i] += self.first[i]
            else:
                decay = train.weight_decay * (train.optimizer == "adamw") * self.decayed[i]
                self.values[i] *= 1 - self.rate * decay
                self.first[i] += (1 - train.momentum) * (gradient - self.first[i])
                self.second[i] += 0.001 * (gradient**2 - self.second[i])
                t = self.step + 1
                scale = self.rate * np.sqrt(1 - 0.999**t) / (1 - train.momentum**t)
                self.values[i] -= scale * self.first[i] / (np.sqrt(self.second[i]) + 1e-7)
            keep = min(train.moving_average_decay, (1 + self.step) / (10 + self.step))
            self.average[i] = keep * self.average[i] + (1 - keep) * self.values[i]
        self.step += 1


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_steps_as_in_plain_numpy(kind):
    train = TrainConfig(optimizer=kind, weight_decay=0.1, clip_gradients_norm=5.0, moving_average_decay=0.3)
    ours, found = variables(), optimizer.build(train, 0.05)
    plain = Plain(train, 0.05, numbers(ours))
    for step in range(6):
        scale = 3.0 if step % 2 else 0.01
        found.apply(gradients(step, scale), ours)
        plain.apply(gradients(step, scale))
    for value, expected in zip(numbers(ours), plain.values, strict=True):
        np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-5)
    with optimizer.averaged_weights(found):
        for value, expected in zip(numbers(ours), plain.average, strict=True):
            np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-5)
    assert int(found.iterations) == 6


def test_averages_go_in_and_the_raw_weights_come_back_exactly():
    ours, found = variables(), optimizer.build(TrainConfig(optimizer="sgd"), 0.1)
    found.build(ours)
    before = numbers(ours)
    with optimizer.averaged_weights(found):
        assert all(np.array_equal(a, b) for a, b in zip(before, numbers(ours), strict=True))
    found.apply(gradients(0), ours)
    raw = numbers(ours)

    def fail_inside():
        with optimizer.averaged_weights(found):
            assert not np.array_equal(raw[0], numbers(ours)[0])
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_inside()
    assert all(np.array_equal(a, b) for a, b in zip(raw, numbers(ours), strict=True))


def test_a_resumed_run_takes_the_same_steps():
    train = TrainConfig(optimizer="adamw")
    ours, found = variables(), optimizer.build(train, 0.1)
    for step in range(3):
        found.apply(gradients(step), ours)
    saved, state = numbers(ours), {}
    found.save_own_variables(state)
    resumed, again = variables(seed=9), optimizer.build(train, 0.1)
    again.build(resumed)
    again.load_own_variables(state)
    for variable, value in zip(resumed, saved, strict=True):
        variable.assign(value)
    for step in range(3, 6):
        found.apply(gradients(step), ours)
        again.apply(gradients(step), resumed)
    for one, other in zip([*ours, *found.variables], [*resumed, *again.variables], strict=True):
        assert np.array_equal(numbers([one])[0], numbers([other])[0])


def test_weights_loaded_after_building_are_the_ones_that_train():
    ours, found = variables(), optimizer.build(TrainConfig(optimizer="sgd", moving_average_decay=0), 0.1)
    found.build(ours)
    for variable in ours:
        variable.assign(np.full(variable.shape, 7.0))
    found.apply([np.zeros(shape, np.float32) for shape in SHAPES.values()], ours)
    np.testing.assert_allclose(numbers(ours)[1], 7.0, rtol=1e-5)


def test_a_variable_without_gradient_is_named_and_stays():
    ours, found = variables(), optimizer.build(TrainConfig(optimizer="sgd"), 0.1)
    before = numbers(ours)
    with pytest.warns(UserWarning, match="1 variables have no gradient and stay: gamma"):
        found.apply([None if i == 1 else g for i, g in enumerate(gradients(0))], ours)
    assert np.array_equal(numbers(ours)[1], before[1])
    assert not np.array_equal(numbers(ours)[0], before[0])


def test_the_norm_of_the_gradient_is_the_raw_one():
    ours, found = variables(), optimizer.build(TrainConfig(optimizer="adamw", clip_gradients_norm=0.5), 0.1)
    found.apply(gradients(0), ours)
    raw = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients(0)))
    assert float(found.gradient_norm) == pytest.approx(raw, rel=1e-5)


DEVICES = """
import numpy as np, tensorflow as tf, keras
from plates.efficientdet.training import optimizer
from plates.efficientdet.config import TrainConfig
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
shares = [np.random.default_rng(i).normal(size=(2, 30)).astype("float32") for i in range(2)]

def train(strategy):
    with strategy.scope():
        weights = keras.Variable(np.ones((2, 30), "float32"), name="kernel")
        bias = keras.Variable(np.ones(3, "float32"), name="bias")
        found = optimizer.build(TrainConfig(clip_gradients_norm=2.0, weight_decay=0.1), 0.1)
        found.build([weights, bias])
    many = strategy.num_replicas_in_sync > 1
    def share(context):
        number = context.replica_id_in_sync_group
        return tf.constant(shares[number] if many else sum(shares))
    values = strategy.experimental_distribute_values_from_function(share)
    def replica(gradient):
        ones = tf.ones(3) if many else 2 * tf.ones(3)
        found.apply([gradient, ones], [weights, bias])
    run = tf.function(lambda: strategy.run(replica, args=(values,)))
    for _ in range(3):
        run()
    with optimizer.averaged_weights(found):
        averaged = weights.numpy().copy()
    return weights.numpy(), bias.numpy(), averaged, found.gradient_norm.numpy()

alone = train(tf.distribute.get_strategy())
both = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for one, other in zip(alone, both):
    np.testing.assert_allclose(one, other, rtol=1e-5)
print("equal")
"""


def test_two_devices_take_the_step_of_one_on_the_whole_batch():
    done = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "equal", done.stderr[-2000:]


def test_a_keras_model_fits_with_it():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer.build(TrainConfig(optimizer="adamw", weight_decay=0), 0.1), "mse")
    inputs = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    history = model.fit(inputs, inputs @ np.array([[1.0], [2.0], [3.0]]), epochs=20, verbose=0).history["loss"]
    assert history[-1] < 0.05 * history[0]
