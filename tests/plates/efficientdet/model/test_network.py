"""The network's shapes, options and gradients, beyond the variants that the reference's numbers cover."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.bifpn import cell_nodes, resize
from plates.efficientdet.model.family import resolve

SMALL = {
    "name": "efficientdet-tiny",
    "image_size": "96x128",
    "num_classes": 2,
    "fpn_num_filters": 16,
    "fpn_cell_repeats": 1,
}


def build(**model) -> keras.Model:
    keras.utils.set_random_seed(1)
    return network.build(resolve(ModelConfig(**SMALL | model)), 0.9)


def images(count: int = 2, height: int = 128, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3)).astype("uint8")


def gradients(model: keras.Model) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """(loss, gradients, moving statistics and random states after) of one training step, in a graph."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = sum(tf.reduce_mean(tf.cast(v, tf.float32) ** 2) for v in model(images(), training=True).values())
        return loss, tape.gradient(loss, model.trainable_variables)

    loss, found = step()
    return float(loss), [g.numpy() for g in found], [v.numpy() for v in model.non_trainable_variables]


def test_cell_is_wired_as_published():
    """google/automl's `bifpn_config` for P3 to P7."""
    sources = [node[1] for node in cell_nodes(5)]
    assert sources == [(3, 4), (2, 5), (1, 6), (0, 7), (1, 7, 8), (2, 6, 9), (3, 5, 10), (4, 11)]


@pytest.mark.parametrize("size", [(3, 5), (4, 6), (3, 6), (2, 3)])
def test_upsampling_is_the_legacy_nearest_neighbour(size):
    """google/automl resizes with TF1's `resize_nearest_neighbor(half_pixel_centers=False)`."""
    small = np.random.default_rng(0).normal(size=(1, -(-size[0] // 2), -(-size[1] // 2), 2)).astype("float32")
    legacy = tf.compat.v1.image.resize_nearest_neighbor(small, size)
    np.testing.assert_array_equal(resize(tf.constant(small), size), legacy)


def test_sizes_that_divide_badly_and_bifpn_down_to_one_cell():
    model = network.build(resolve(ModelConfig(name="efficientdet-d0", image_size="70x130", num_classes=3)))
    cells = sum(-(-130 // 2**level) * -(-70 // 2**level) for level in range(3, 8))
    found = model(images(1, 130, 70))
    assert found["class"].shape == (1, cells * 9, 3)
    assert found["box"].shape == (1, cells * 9, 4)
    assert all(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize(
    ("model", "segmentation"),
    [
        ({"name": "efficientdet-lite0", "heads": ["object_detection", "segmentation"]}, (2, 32, 24, 2)),
        ({"backbone": "efficientnetv2-b0", "min_level": 2, "max_level": 6, "act_type": "hswish"}, None),
        ({"separable_conv": False, "survival_prob": 0.8, "fpn_weight_method": "channel_attn"}, None),
        ({"heads": ["segmentation"], "seg_num_classes": 3, "fpn_weight_method": "attn"}, (2, 32, 24, 3)),
    ],
)
def test_options_build_and_train(model, segmentation):
    built = build(**model)
    found = built(images())
    assert found.get("segmentation", np.zeros(0)).shape == (segmentation or (0,))
    loss, grads, _ = gradients(built)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in grads)


def test_corners_cost_one_convolution_and_change_no_other_weight():
    plain, with_corners = build(), build(heads=["object_detection", "corners"])
    found = with_corners(images())
    assert found["corners"].shape == (*found["box"].shape[:2], 8)
    given, others = ({network.variable_name(v): v.numpy() for v in model.weights} for model in (with_corners, plain))
    own = {f"box_net/box-corners/{name}" for name in ("depthwise_kernel", "pointwise_kernel", "bias")}
    assert given.keys() - others.keys() == own
    assert all(given[name].shape == value.shape for name, value in others.items())


def test_a_new_class_head_believes_in_one_percent():
    logits = np.asarray(build()(images())["class"])
    assert logits.mean() == pytest.approx(-np.log(99), abs=0.5)


def test_fusion_weights_are_those_of_the_paper():
    model = build(fpn_weight_method="fastattn")
    node = model.get_layer("fpn_cells.cell_0").nodes[0]
    for weight, value in zip(node.weights_of_inputs, (3.0, -1.0), strict=True):
        weight.assign(value)
    assert [float(w) for w in node.fusion_weights()] == pytest.approx([3 / 3.0001, 0.0])
    node.weight_method = "attn"
    assert [float(w) for w in node.fusion_weights()] == pytest.approx([0.98201, 0.01799], abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("large", [2**20, 2**15])
def test_recomputing_changes_neither_loss_nor_gradients_nor_statistics(large, monkeypatch):
    """With stochastic depth on: the recomputed pass must drop the same, and update the statistics once."""
    monkeypatch.setattr("plates.efficientdet.model.tensorflow_kernels.LARGE", large)
    plain, again = (gradients(build(grad_checkpoint=on, survival_prob=0.7)) for on in (False, True))
    assert again[0] == pytest.approx(plain[0], rel=1e-5)
    length = np.sqrt(sum(float((g**2).sum()) for g in plain[1]))
    for ours, theirs in zip(again[1], plain[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * length)
    for ours, theirs in zip(again[2], plain[2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_half_precision_gives_float32_logits():
    expected = build()(images())
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build()
        found = model(images())
        loss, grads, _ = gradients(model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert found["class"].dtype == found["box"].dtype == "float32"
    assert np.abs(found["class"] - expected["class"]).max() < 0.1
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in grads)


def test_normalisation_is_inside_the_network():
    spec = resolve(ModelConfig(**SMALL))
    keras.utils.set_random_seed(1)
    bare = network.build(spec, normalized_input=True)
    normalised = (images().astype("float32") - spec.mean_rgb) / np.array(spec.stddev_rgb)
    np.testing.assert_allclose(build()(images())["box"], bare(normalised.astype("float32"))["box"], atol=1e-4)


def test_moving_variance_is_unbiased_with_and_without_the_fused_kernel():
    """n / (n - 1) of NumPy's variance, as TensorFlow's fused kernel has it; the other path is JAX's."""
    from plates.efficientdet.model.batch_norm import BatchNormalization

    x = np.random.default_rng(0).normal(3, 2, (2, 2, 2, 4)).astype("float32")
    expected = x.reshape(-1, 4).var(axis=0, ddof=1)
    for synchronized in (False, True):
        norm = BatchNormalization(momentum=0.0, synchronized=synchronized)
        norm(x, training=True)
        np.testing.assert_allclose(norm.moving_variance, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (3, 5, 5, 2)])
def test_batch_norm_compiled_with_swish_is_batch_norm_and_then_swish(shape, monkeypatch):
    """Outputs, moving statistics and gradients equal those of the formulas in float64, by TensorFlow's own gradients.

    75 rows cannot be cut into equal slices, 48 can.
    """
    from plates.efficientdet.model import tensorflow_kernels
    from plates.efficientdet.model.batch_norm import BatchNormalization

    monkeypatch.setattr(tensorflow_kernels, "LARGE", 1)
    random = np.random.default_rng(0)
    values = [random.normal(3, 2, shape), random.normal(1, 1, shape[-1:]), random.normal(0, 1, shape[-1:])]
    upstream = random.normal(size=shape)
    norm = BatchNormalization(momentum=0.9, epsilon=1e-3, act_type="swish")
    norm.build(shape)
    norm.gamma.assign(values[1])
    norm.beta.assign(values[2])
    assert norm._together_with_swish(tf.constant(values[0], tf.float32))

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = norm(x, training=True)
            loss = tf.reduce_sum(outputs * tf.constant(upstream, tf.float32))
        return outputs, tape.gradient(loss, [x, norm.gamma.value, norm.beta.value])

    outputs, gradients = step(tf.constant(values[0], tf.float32))
    exact = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(exact)
        mean, variance = tf.nn.moments(exact[0], [0, 1, 2])
        expected = tf.nn.silu((exact[0] - mean) / tf.sqrt(variance + 1e-3) * exact[1] + exact[2])
        loss = tf.reduce_sum(expected * upstream)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    for found, wanted in zip(gradients, tape.gradient(loss, exact), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    count = np.prod(shape[:-1])
    np.testing.assert_allclose(norm.moving_mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * variance * count / (count - 1), rtol=1e-5)


def test_gradients_of_a_picture_and_of_its_mean_are_added_up():
    from plates.efficientdet.model.tensorflow_kernels import with_mean

    x = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 3, 5)))
    gradients = []
    for pool in (with_mean, lambda x: (x, tf.reduce_mean(x, (1, 2), keepdims=True))):
        with tf.GradientTape() as tape:
            tape.watch(x)
            own, mean = pool(x)
            loss = tf.reduce_sum(own**2 * tf.sigmoid(mean))
        gradients.append(tape.gradient(loss, x))
    np.testing.assert_allclose(*gradients, rtol=1e-12)


@pytest.mark.parametrize("size", [(8, 5), (2, 3)])
def test_gates_on_the_kernel_are_gates_on_what_it_multiplies(size):
    """In pictures of many places and of few; both with the gradients of the convolution of the product."""
    from plates.efficientdet.model.tensorflow_kernels import pointwise

    random = np.random.default_rng(0)
    values = [tf.constant(random.normal(size=shape)) for shape in ((3, *size, 6), (3, 1, 1, 6), (1, 1, 6, 4), (4,))]
    results = []
    for product in (
        lambda x, gates, kernel, bias: pointwise(x, kernel, bias, gates),
        lambda x, gates, kernel, bias: tf.nn.conv2d(x * gates, kernel, 1, "SAME") + bias,
    ):
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = product(*values)
            loss = tf.reduce_sum(tf.sin(outputs))
        results.append([outputs, *tape.gradient(loss, values)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("large", [1, 10**9])
def test_swish_has_one_gradient_for_small_and_large_tensors(large, monkeypatch):
    from plates.efficientdet.model import tensorflow_kernels
    from plates.efficientdet.model.activations import activate

    monkeypatch.setattr(tensorflow_kernels, "LARGE", large)
    x = tf.constant(np.linspace(-8, 8, 33, dtype=np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = activate("swish", x, training=True)
    gate = 1 / (1 + np.exp(-x.numpy().astype(float)))
    np.testing.assert_allclose(outputs, x * gate, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(outputs, x), gate + x.numpy() * gate * (1 - gate), atol=1e-6)
