"""Our own .weights.h5, and the ImageNet backbones of keras.applications."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from plates.efficientdet.checkpoints import load_pretrained
from plates.efficientdet.checkpoints.keras_files import read_keras
from plates.efficientdet.checkpoints.names import keras_layers
from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.backbone import build_backbone
from plates.efficientdet.model.backbone_tables import KERAS_BACKBONE, backbone_table
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
    with pytest.raises(UserError, match="damaged or not an HDF5 file"):
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


@contextmanager
def layer(path: Path) -> Iterator[h5py.Group]:
    """The group of one layer in a new file as Keras lays it out, still without its array "0"."""
    with h5py.File(path, "w") as file:
        yield file.create_group("layers/conv/vars")


def external(path: Path) -> str:
    secret = path.with_name("secret.bin")
    secret.write_bytes(np.arange(4, dtype="float32").tobytes())
    with layer(path) as group:
        group.create_dataset("0", (4,), "float32", external=[(str(secret), 0, 16)])
    return r"layers/conv/vars/0 is in another file, .*secret\.bin"


def external_link(path: Path) -> str:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["array"] = np.zeros(4, "float32")
    with layer(path) as group:
        group["0"] = h5py.ExternalLink("other.h5", "/array")
    return r"layers/conv/vars/0 is in another file, other\.h5"


def virtual(path: Path) -> str:
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "array", (4,))
    with layer(path) as group:
        group.create_virtual_dataset("0", layout)
    return "layers/conv/vars/0 is made of other files"


def huge(path: Path) -> str:
    with layer(path) as group:
        group.create_dataset("0", (10**12,), "float32", chunks=(1024,))
    return "layers/conv/vars/0 claims 1,000,000,000,000 numbers, more than any detector has"


def unwritten(path: Path) -> str:
    with layer(path) as group:
        group.create_dataset("0", (1000,), "float32", chunks=(1000,))
    return "layers/conv/vars/0 claims 1,000 numbers, but the file has none of them"


def round_and_round(path: Path) -> str:
    with layer(path) as group:
        group["again"] = group.file["/"]
    return "holds no Keras weights"


def missing_name(path: Path) -> str:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["conv"]
        file.create_group("conv").attrs["weight_names"] = ["conv/kernel:0"]
    return "it refers to conv/conv/kernel:0, which it does not contain"


@pytest.mark.parametrize("made", [external, external_link, virtual, huge, unwritten, round_and_round, missing_name])
def test_files_that_would_take_more_than_they_hold_are_refused(made, tmp_path):
    path = tmp_path / "made.weights.h5"
    expected = made(path)
    with pytest.raises(UserError, match=expected):
        read_keras(path)
