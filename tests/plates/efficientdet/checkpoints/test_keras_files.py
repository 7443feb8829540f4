"""Our own .weights.h5, and the ImageNet backbones of keras.applications."""

from pathlib import Path

import keras
import numpy as np
import pytest

from plates.efficientdet.checkpoints import load_pretrained
from plates.efficientdet.checkpoints.names import keras_layers
from plates.efficientdet.checkpoints.weights_file import KERAS_BACKBONE
from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.backbone import build_backbone
from plates.efficientdet.model.backbone_tables import backbone_table
from plates.efficientdet.model.family import resolve
from plates.efficientdet.model.layers import Style
from plates.efficientdet.model.network import variable_name
from plates.errors import UserError

TINY = {"name": "efficientdet-tiny", "image_size": 64, "num_classes": 1}


def test_our_own_file_comes_back_whatever_the_number_of_classes(tmp_path):
    keras.utils.set_random_seed(1)
    first = network.build(resolve(ModelConfig(**TINY)))
    first.save_weights(tmp_path / "best.weights.h5")
    config = ModelConfig(**TINY | {"num_classes": 3, "pretrained": str(tmp_path / "best.weights.h5")})
    second = network.build(resolve(config))
    report = load_pretrained(second, config, tmp_path)
    assert set(report.reinitialised) == {
        "class_net/class-predict/pointwise_kernel",
        "class_net/class-predict/bias",
    }
    values = {variable_name(v): v.numpy() for v in first.weights}
    for variable in second.weights:
        name = variable_name(variable)
        assert name in report.reinitialised or np.array_equal(variable.numpy(), values[name])


def test_a_truncated_file_is_said_to_be_damaged(tmp_path):
    config = ModelConfig(**TINY, pretrained=str(tmp_path / "cut.weights.h5"))
    model = network.build(resolve(config))
    model.save_weights(tmp_path / "whole.weights.h5")
    (tmp_path / "cut.weights.h5").write_bytes((tmp_path / "whole.weights.h5").read_bytes()[:100_000])
    with pytest.raises(UserError, match="damaged or no HDF5 file"):
        load_pretrained(model, config, tmp_path)


def test_imagenet_features_are_those_of_keras_applications(shared: Path, tmp_path):
    """EfficientNetV2-B0: pixels through our normalisation and backbone give the P5 that Keras's own gives."""
    file = shared / "weights" / "efficientnetv2b0_imagenet_notop.weights.h5"
    config = ModelConfig(**TINY | {"backbone": "efficientnetv2-b0", "image_size": 96, "pretrained": str(file)})
    ours = network.build(resolve(config))
    report = load_pretrained(ours, config, tmp_path)
    assert (report.kind, report.share("efficientnetv2-b0/")) == (KERAS_BACKBONE, 1.0)
    theirs = keras.applications.EfficientNetV2B0(include_top=False, weights=None, input_shape=(96, 96, 3))
    theirs.load_weights(file)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3)).astype("float32")
    last = [layer for layer in ours.layers if layer.name.startswith("efficientnetv2-b0.blocks_")][-1]
    found = keras.Model(ours.input, last.output)(pixels)
    expected = keras.Model(theirs.input, theirs.get_layer("block6h_add").output)(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(np.abs(expected).max()))


@pytest.mark.parametrize("name", ["efficientnet-b1", "efficientnetv2-b2"])
def test_every_variable_of_a_backbone_has_its_place_in_keras_applications(name):
    """Layer by layer and shape by shape, without weights."""
    classes = {
        "efficientnet-b1": keras.applications.EfficientNetB1,
        "efficientnetv2-b2": keras.applications.EfficientNetV2B2,
    }
    theirs = classes[name](include_top=False, weights=None, input_shape=(64, 64, 3))
    table = backbone_table(name)
    images = keras.Input((64, 64, 3))
    ours = keras.Model(images, build_backbone(table, images, Style())[5])
    layers = keras_layers(table)
    places = {}
    for variable in ours.weights:
        owner, kind = variable_name(variable).rsplit("/", 1)
        places.setdefault(layers[owner], {})[kind.removeprefix("depthwise_")] = tuple(variable.shape)
    backbone = [layer for layer in theirs.layers if layer.name.startswith(("stem", "block")) and layer.weights]
    expected = {layer.name: {v.name: tuple(v.shape) for v in layer.weights} for layer in backbone}
    assert places == expected


def test_imagenet_for_a_backbone_that_keras_lacks_is_refused(tmp_path):
    config = ModelConfig(**TINY, pretrained="imagenet")
    with pytest.raises(UserError, match="Keras has no ImageNet weights for efficientnet-tiny"):
        load_pretrained(network.build(resolve(config)), config, tmp_path)


def test_coco_for_a_variant_that_nobody_published_is_refused(tmp_path):
    config = ModelConfig(**TINY, pretrained="coco")
    with pytest.raises(UserError, match="no detector trained on COCO is published for efficientdet-tiny"):
        load_pretrained(network.build(resolve(config)), config, tmp_path)
