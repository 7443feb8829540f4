"""Fine-tuning: a run starts from what it was given; weights that do not fit stop it before its first step."""

import json
import shutil

import numpy as np
import pytest
import toy

from assets.checkpoint import initialiser
from plates.efficientdet.checkpoints import load, saved_detector
from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.network import variable_name
from plates.efficientdet.training.loop import train
from plates.errors import UserError


def fine_tune(tmp_path, path, on_row=lambda row, steps: None):
    """One step, too small to move anything, from the weights at `path`."""
    start = initialiser(ModelConfig(pretrained=str(path)), tmp_path)
    config = toy.train_config(steps=1, learning_rate=1e-6)
    return train(
        toy.spec(), config, toy.data(1), tmp_path / "checkpoint", tmp_path / "work",
        initialise=start, say=lambda line: None, on_row=on_row,
    )  # fmt: skip


def weights(model) -> dict[str, np.ndarray]:
    return {variable_name(variable): variable.numpy() for variable in model.trainable_variables}


def test_a_run_starts_from_another_run_and_its_averages_too(run, tmp_path):
    """From a champion's folder, of a detector with all heads; the averages are what best.weights.h5 holds."""
    shutil.copytree(run[0].checkpoint, tmp_path / "champion/checkpoint")
    result = fine_tune(tmp_path, tmp_path / "champion")
    given, averages = (
        weights(saved_detector.load(folder).network) for folder in (run[0].checkpoint, result.checkpoint)
    )
    assert averages.keys() < given.keys()
    for name, value in averages.items():
        np.testing.assert_allclose(value, given[name], atol=1e-4, err_msg=name)
    report = json.loads((result.checkpoint / "load_report.json").read_text())
    assert set(averages) <= set(report["matched"])
    assert report["unused"] > 0
    assert result.loaded.to_json() == report


def test_weights_without_corners_fill_all_but_the_corners(tmp_path):
    path = tmp_path / "plain.weights.h5"
    plain, fuller = network.build(toy.spec()), network.build(toy.spec(heads=["object_detection", "corners"]))
    plain.save_weights(path)
    report = initialiser(ModelConfig(pretrained=str(path)), tmp_path)(fuller)
    given = weights(plain)
    found = weights(fuller)
    assert all(np.array_equal(found[name], value) for name, value in given.items())
    assert set(report.skipped) == found.keys() - given.keys()
    assert "3 not in the file, or in another shape, box_net/box-corners/" in report.say()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("another variant", "fills .*% of the backbone efficientnet-tiny"),
        ("truncated", "damaged"),
        ("nowhere", "no weights at .*check model.pretrained"),
    ],
)
def test_weights_that_do_not_fit_stop_the_run_before_its_first_step(tmp_path, kind, message):
    path = tmp_path / "given.weights.h5"
    if kind != "nowhere":
        network.build(toy.spec(backbone="efficientnet-lite0")).save_weights(path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:50_000])
    rows = []
    with pytest.raises(UserError, match=message):
        fine_tune(tmp_path, path, lambda row, steps: rows.append(row))
    assert rows == []
    assert not (tmp_path / "checkpoint").exists()


def test_coco_without_a_connection_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "COCO", "http://127.0.0.1:9")
    start = initialiser(ModelConfig(name="efficientdet-d0", pretrained="coco"), tmp_path)
    with pytest.raises(UserError, match=r"could not download .*put it at .*efficientdet-d0\.tar\.gz"):
        start(None)


def test_random_weights_need_no_initialiser(tmp_path):
    assert initialiser(ModelConfig(), tmp_path) is None
