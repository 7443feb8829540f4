"""google/automl's published formats: both must give exactly the weights that were put into them."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from plates.efficientdet.checkpoints import inspect, load_pretrained, read
from plates.efficientdet.checkpoints.names import SUFFIX, object_key
from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.family import resolve
from plates.efficientdet.model.network import variable_name
from plates.errors import UserError

D0 = {"name": "efficientdet-d0", "image_size": 256, "num_classes": 1}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "reference" / "d0_256"


@pytest.fixture(scope="module")
def model():
    return network.build(resolve(ModelConfig(**D0)))


@pytest.fixture(autouse=True)
def emptied(model):
    for variable in model.weights:
        variable.assign(np.full(variable.shape, -7.0, "float32"))


def load(model, path: Path, **config):
    return load_pretrained(model, ModelConfig(**D0 | {"pretrained": str(path)} | config), path.parent)


@pytest.mark.parametrize("archive", ["tf1_ckpt.tar.gz", "object_ckpt.tar.gz"])
def test_both_formats_fill_every_variable_exactly(model, folder, archive):
    """In the name-based file the raw value beside each average is 0.5: taking one would show."""
    report = load(model, folder / archive)
    weights = np.load(folder / "weights.npz")
    for variable in model.weights:
        np.testing.assert_array_equal(variable.numpy(), weights[variable_name(variable)])
    assert (len(report.matched), report.skipped, report.reinitialised) == (709, {}, {})
    assert len(report.sha256) == 64
    assert "709 variables loaded" in report.say()


def test_object_keys_are_the_references_own(model, folder):
    """Their list was matched by value, so that equal scalars (WSM) are mixed up in it: those are compared by value."""
    expected = json.loads((folder / "object_ckpt_key_to_name.json").read_text())
    weights = np.load(folder / "weights.npz")
    names = {variable_name(variable) for variable in model.weights}
    found = {object_key(name, names, 3): name for name in names}
    assert found.keys() == expected.keys()
    for key, name in found.items():
        assert name == expected[key] or ("WSM" in key and weights[name] == weights[expected[key]])
    assert all(key.endswith(SUFFIX) for key in expected)


def test_a_folder_and_a_prefix_do_as_well(model, folder, tmp_path):
    with tarfile.open(folder / "tf1_ckpt.tar.gz") as archive:
        archive.extractall(tmp_path)
    for path in (tmp_path / "tf1_ckpt", tmp_path / "tf1_ckpt" / "model"):
        assert len(load(model, path).matched) == 709


def test_another_number_of_classes_starts_the_class_head_anew_and_says_so(folder):
    other = network.build(resolve(ModelConfig(**D0 | {"num_classes": 4})))
    before = {variable_name(v): v.numpy() for v in other.weights}
    report = load(other, folder / "object_ckpt.tar.gz")
    heads = {"class_net/class-predict/pointwise_kernel", "class_net/class-predict/bias"}
    assert set(report.reinitialised) == heads
    assert "9 in the file, 36 here" in report.say()
    after = {variable_name(v): v.numpy() for v in other.weights}
    assert all(np.array_equal(before[name], after[name]) for name in heads)


def test_another_variants_backbone_is_refused_unless_allowed(folder):
    wanted = {"name": "efficientdet-tiny", "image_size": 64}
    tiny = network.build(resolve(ModelConfig(**D0 | wanted)))
    with pytest.raises(UserError, match="fills 0% of the backbone efficientnet-tiny"):
        load(tiny, folder / "tf1_ckpt.tar.gz", **wanted)
    report = load(tiny, folder / "tf1_ckpt.tar.gz", **wanted, allow_partial_backbone=True)
    assert 0 < len(report.matched) < 709
    assert report.unused > 0


def test_the_pinned_digest_must_fit(model, folder):
    with pytest.raises(UserError, match=r"has SHA-256 \w{64}; model.pretrained_sha256 is 0000"):
        load(model, folder / "tf1_ckpt.tar.gz", pretrained_sha256="0" * 64)


def test_truncated_files_are_said_to_be_damaged(model, folder, tmp_path):
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes((folder / "tf1_ckpt.tar.gz").read_bytes()[:3_000_000])
    with pytest.raises(UserError, match="cannot be unpacked"):
        load(model, cut)
    with tarfile.open(folder / "tf1_ckpt.tar.gz") as archive:
        archive.extractall(tmp_path)
    data = tmp_path / "tf1_ckpt" / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1_000_000])
    with pytest.raises(UserError, match="damaged or not a TensorFlow checkpoint"):
        load(model, tmp_path / "tf1_ckpt")
    with pytest.raises(UserError, match="no weights at"):
        load(model, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../outside", "/absolute", "inside/../../outside"])
def test_an_archive_cannot_write_elsewhere(tmp_path, name):
    path = tmp_path / "in" / "evil.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(UserError, match=r"cannot be unpacked|TensorFlow checkpoint"):
        read(path)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["evil.tar.gz"]


def test_an_archive_with_a_link_is_refused(tmp_path):
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("model.index")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(UserError, match=r"model\.index is not a plain file"):
        read(path)


def test_inspecting_shows_every_array(folder):
    rows = {row["key"]: row for row in inspect(folder / "tf1_ckpt.tar.gz")}
    kernel = rows["efficientnet-b0/stem/conv2d/kernel"]
    assert (kernel["shape"], kernel["dtype"], kernel["mean"]) == ("3x3x3x32", "float32", 0.5)
    assert rows["global_step"]["largest"] == 12345
    assert len(rows) == 1420
