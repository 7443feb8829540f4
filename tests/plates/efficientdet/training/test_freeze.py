import keras
import numpy as np
import pytest

from plates.efficientdet.config import ModelConfig, TrainConfig
from plates.efficientdet.keras_private import layers_of
from plates.efficientdet.model import network
from plates.efficientdet.model.family import resolve
from plates.efficientdet.model.network import variable_name
from plates.efficientdet.training import freeze
from plates.errors import UserError


def small():
    """Two parts with batch norm, under the reference's names."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="efficientnet-b0.stem.conv2d")(images)
    x = keras.layers.BatchNormalization(name="efficientnet-b0.stem.tpu_batch_normalization")(x)
    x = keras.layers.Conv2D(4, 3, name="class_net.class-0")(x)
    x = keras.layers.BatchNormalization(name="class_net.class-0-bn-3")(x)
    return keras.Model(images, keras.layers.Conv2D(1, 1, name="class_net.class-predict")(x))


def trained(model) -> set[str]:
    return {variable_name(variable) for variable in model.trainable_variables}


def moved(model) -> set[str]:
    """Statistics that a call in training mode changes."""
    before = {variable_name(v): v.numpy() for v in model.non_trainable_variables}
    model(np.random.default_rng(0).uniform(0, 1, (2, *model.input_shape[1:])).astype("float32"), training=True)
    after = {variable_name(v): v.numpy() for v in model.non_trainable_variables}
    return {name for name, value in after.items() if name in before and not np.array_equal(before[name], value)}


def test_a_frozen_backbone_keeps_weights_and_statistics_while_the_rest_trains():
    """Of the real network."""
    config = ModelConfig(image_size=64, max_level=4, fpn_num_filters=8, fpn_cell_repeats=1, box_class_repeats=1)
    model = network.build(resolve(config, num_classes=1))
    everything = trained(model)
    backbone = {name for name in everything if name.startswith("efficientnet")}
    freeze.apply(model, TrainConfig(var_freeze_expr="efficientnet"))
    assert trained(model) == everything - backbone
    changed = moved(model)
    assert changed
    assert not any(name.startswith("efficientnet") for name in changed)


def test_the_reference_freezes_weights_and_lets_their_batch_norm_run():
    model = small()
    freeze.apply(model, TrainConfig(var_freeze_expr="efficientnet", reference=True))
    assert not any(name.startswith("efficientnet") for name in trained(model))
    assert any(name.startswith("efficientnet") for name in moved(model))


def test_a_single_variable():
    model = small()
    everything = trained(model)
    freeze.apply(model, TrainConfig(var_freeze_expr="class_net/class-predict/bias"))
    assert everything - trained(model) == {"class_net/class-predict/bias"}


def test_without_training_of_batch_norm_all_of_it_stands_still():
    model = small()
    freeze.apply(model, TrainConfig(is_training_bn=False))
    norms = [n for n in layers_of(model) if isinstance(n, keras.layers.BatchNormalization)]
    assert not any(norm.trainable for norm in norms)
    assert moved(model) == set()


def test_nothing_asked_nothing_frozen():
    model = small()
    everything = trained(model)
    freeze.apply(model, TrainConfig())
    assert trained(model) == everything
    assert moved(model)


def test_an_expression_that_matches_nothing_or_everything_is_an_error():
    with pytest.raises(UserError, match=r"start of none of the 9 variables.*class_net, efficientnet-b0"):
        freeze.apply(small(), TrainConfig(var_freeze_expr="backbone"))
    with pytest.raises(UserError, match="nothing would be left to train"):
        freeze.apply(small(), TrainConfig(var_freeze_expr=".*"))
