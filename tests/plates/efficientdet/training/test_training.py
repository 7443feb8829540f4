"""The toy is trained once for this module; what a run promises is then looked up in it."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import run_toy as toy_steps
import toy
from processes import arrays, run_toy

from plates.efficientdet.checkpoints import keras_model, saved_detector
from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.config.run_length import batch_norm_momentum, number_of_steps
from plates.efficientdet.data.tfrecords import write
from plates.efficientdet.training import guards, resume, validation
from plates.efficientdet.training.class_weights import class_weights
from plates.efficientdet.training.data import from_batches, from_tfrecords
from plates.efficientdet.training.detector import Detector
from plates.efficientdet.training.history import Cost, History, StepLog
from plates.efficientdet.training.loop import train
from plates.efficientdet.training.resume import Progress
from plates.errors import UserError
from plates.hashes import content_hash
from plates.photographs.content import Photographs


def test_toy_is_learnt(run):
    result, said = run
    assert result.best > 0.4  # mAP .50:.95; mAP50 is looked at in test_export.py
    assert result.history["loss"].iloc[-10:].mean() < 0.2 * result.history["loss"].iloc[:10].mean()
    assert all(result.history[term].iloc[-1] < 0.5 * result.history[term].iloc[0] for term in ("seg", "corners"))
    assert result.warnings == []
    assert any("120 steps of 8 images" in line for line in said)


def test_checkpoint_folder_holds_averages_and_raw_weights(run):
    folder = run[0].checkpoint
    assert {path.name for path in folder.iterdir()} == {
        "best.weights.h5",
        "last.weights.h5",
        "model.json",
        "model.keras",
        "history.csv",
    }
    assert not (folder.parent / "work").exists()
    best, last = arrays(folder / saved_detector.BEST), arrays(folder / saved_detector.LAST)
    assert best.keys() == last.keys()
    assert max(np.abs(best[name] - last[name]).max() for name in best) > 1e-4
    loaded = saved_detector.load(folder)
    assert (loaded.spec.heads, loaded.label_map) == (("object_detection", "corners", "segmentation"), {1: "plate"})
    assert sum(weight.size for weight in loaded.network.get_weights()) == sum(array.size for array in best.values())


def test_keras_itself_opens_the_best_weights(run):
    folder = run[0].checkpoint
    images = toy.batches(1)[0][0].astype(np.float32)
    expected = saved_detector.load(folder).network.predict_on_batch(images)
    found = keras.models.load_model(folder / keras_model.FILE).predict_on_batch(images)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5)


def test_history_has_a_row_a_step(run):
    result = run[0]
    rows = History.read(result.checkpoint / "history.csv").rows
    assert [row.step for row in rows] == list(range(1, 121))
    assert rows[59].validation == pytest.approx(result.history["validation"].iloc[59])
    assert np.isnan(rows[0].validation)
    assert all(row.positives >= row.boxes == 1 for row in rows)
    assert rows[0].gradient_norm > 0


def test_equal_training_gives_equal_bytes_and_clock_times_are_in_the_step_log_only(tmp_path):
    """The checkpoint's version is its content: nothing in it may tell one run from its repetition."""
    config = toy.train_config(steps=6, eval_every=3)
    for name in ("one", "two"):
        work, log = tmp_path / name / "work", tmp_path / name / "steps.csv"
        train(
            toy.spec(), config, toy.data(2), tmp_path / name / "checkpoint", work, say=lambda line: None, step_log=log
        )
    one, two = (content_hash(tmp_path / name / "checkpoint") for name in ("one", "two"))
    assert one == two
    history = pd.read_csv(tmp_path / "one/checkpoint/history.csv")
    steps = pd.read_csv(tmp_path / "one/steps.csv")
    assert set(steps) - set(history) == {"seconds", "images_per_second", "memory_mib"}
    pd.testing.assert_frame_equal(steps[history.columns], history)
    assert (steps[["seconds", "images_per_second", "memory_mib"]] > 0).all(axis=None)


def test_the_step_log_of_a_resumed_run_has_each_step_once(tmp_path):
    path = tmp_path / "steps.csv"
    log = StepLog(path)
    for step in range(1, 6):
        log.append(toy.row(step, validation=0.5 if step == 4 else np.nan), Cost(0.1, 80.0, 300.0))
    with path.open("a") as stream:
        stream.write("6,0.2")  # killed in the middle of a line
    log = StepLog(path, done=4)
    log.append(toy.row(5), Cost(0.2, 40.0, 300.0))
    found = pd.read_csv(path)
    assert found["step"].tolist() == [1, 2, 3, 4, 5]
    assert found["validation"].dropna().tolist() == [0.5]
    assert found["seconds"].tolist() == [0.1] * 4 + [0.2]


def test_killed_run_goes_on_as_if_it_had_not_been(run, tmp_path):
    """Killed by signal 9 after step 6, state saved at 4: resumed, it repeats 5 and 6 and ends with the same weights."""
    process = run_toy("killed", str(tmp_path), "6")
    process.communicate(timeout=500)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "checkpoint").exists()
    said = []
    resumed = toy.train_all(tmp_path, said.append)
    assert "Resuming after step 4 of 120." in said
    columns = ["step", "loss", "cls", "box", "seg", "learning_rate", "validation"]
    np.testing.assert_allclose(resumed.history[columns], run[0].history[columns], rtol=1e-3)
    for name in (saved_detector.BEST, saved_detector.LAST):
        whole = arrays(run[0].checkpoint / name)
        for key, array in arrays(resumed.checkpoint / name).items():
            np.testing.assert_allclose(array, whole[key], rtol=1e-3, atol=1e-4)


class Killed(BaseException):
    """In place of signal 9, which takes a process each time: nothing of the run is used after it."""


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stopped_at_random_steps_a_run_has_the_same_losses_to_the_last_bit(examples, tmp_path, optimizer):
    """Five times each, with averages, augmentation and evaluations; the state is saved every third step."""
    whole = History.read(toy_steps.learn(tmp_path / "whole", examples, optimizer)).frame()
    for last in random_steps(optimizer):

        def stop(step: int, last: int = last) -> None:
            if step == last:
                raise Killed

        with pytest.raises(Killed):
            toy_steps.learn(tmp_path / "stopped", examples, optimizer, stop)
    went_on = History.read(toy_steps.learn(tmp_path / "stopped", examples, optimizer)).frame()
    pd.testing.assert_frame_equal(went_on, whole, check_exact=True)
    assert content_hash(tmp_path / "stopped/checkpoint") == content_hash(tmp_path / "whole/checkpoint")
    assert pd.read_csv(tmp_path / "stopped/steps.csv")["step"].tolist() == list(range(1, 15))


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_killed_by_signal_9_at_random_steps_a_run_has_the_same_losses_to_the_last_bit(examples, tmp_path, optimizer):
    """As above, each time in a process of its own."""

    def learn(name: str, last: int) -> int:
        process = run_toy("learn", str(tmp_path / name), str(examples), optimizer, str(last))
        process.communicate(timeout=500)
        return process.returncode

    assert learn("whole", 0) == 0
    assert [learn("killed", last) for last in random_steps(optimizer)] == [-signal.SIGKILL] * 5
    assert learn("killed", 0) == 0
    killed, whole = (History.read(tmp_path / name / "checkpoint/history.csv").frame() for name in ("killed", "whole"))
    pd.testing.assert_frame_equal(killed, whole, check_exact=True)
    assert content_hash(tmp_path / "killed/checkpoint") == content_hash(tmp_path / "whole/checkpoint")


def random_steps(optimizer: str) -> list[int]:
    """Five of a run's 14 steps, in order."""
    return sorted(np.random.default_rng(len(optimizer)).choice(np.arange(1, 14), 5, replace=False).tolist())


@pytest.fixture
def examples(photographs, tmp_path) -> Path:
    """TFRecords of twelve photographs."""
    root, boxes, splits = photographs(12)
    write(boxes, splits, {1: "plate"}, Photographs(root), tmp_path / "tfrecords", workers=1)
    return tmp_path / "tfrecords"


def test_a_run_on_crops_makes_a_detector_of_whole_pictures(examples, tmp_path):
    spec, config = toy.spec(image_size="64x128"), toy.train_config(steps=60, batch_size=4, optimizer="adamw")
    data = from_tfrecords(examples, spec, config, AugmentConfig(crop_height=0.5))
    result = train(spec, config, data, tmp_path / "checkpoint", tmp_path / "work", say=str)
    saved = saved_detector.load(result.checkpoint)
    assert saved.spec.image_size == (128, 64)
    images = next(iter(data.validation))[0]
    alone = keras.models.load_model(result.checkpoint / keras_model.FILE).predict_on_batch(images)
    np.testing.assert_allclose(alone["box"], saved.network.predict_on_batch(images)["box"], rtol=1e-4, atol=1e-4)
    found = validation.score(Detector(saved.network, spec, config), spec, data.validation)
    assert found == pytest.approx(result.best, abs=1e-6)
    assert found > 0


def test_sigterm_saves_first(tmp_path):
    """Told to end after step 5, where no state is due, a run saves and continues from there."""
    process = run_toy("told", str(tmp_path), "5")
    out, error = process.communicate(timeout=500)
    assert process.returncode == -signal.SIGTERM, error[-2000:]
    assert "Stopped by SIGTERM after step 5 of 120" in out
    assert json.loads((tmp_path / "work/state/state.json").read_text())["step"] == 5


def test_patience_ends_a_run_whose_validation_does_not_rise(tmp_path):
    """At a rate that changes nothing, no evaluation is better than the first."""
    noise = toy.batches(1, seed=1)
    for _, targets in noise:
        targets["gt_boxes"][:, 0] = [0.0, 0.0, 4.0, 4.0]
    data = from_batches(toy.batches(2), validation=noise, label_map={1: "plate"})
    config = toy.train_config(steps=40, eval_every=2, patience=3, learning_rate=1e-9)
    result = train(toy.spec(), config, data, tmp_path / "checkpoint", tmp_path / "work", say=str)
    assert result.steps == 2 + 3 * 2
    assert len(result.history) == result.steps
    assert any("Stopped after step" in line and "train.patience" in line for line in result.warnings)


def test_tensorboard_shows_every_step(tmp_path):
    import tensorflow as tf
    from tensorflow.core.util.event_pb2 import Event

    config = toy.train_config(steps=3, eval_every=3)
    folder = tmp_path / "tensorboard"
    train(toy.spec(), config, toy.data(1), tmp_path / "c", tmp_path / "w", say=str, tensorboard=folder)
    (file,) = folder.iterdir()
    events = [Event.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(str(file))]
    assert events[0].file_version == "brain.Event:2"
    assert [event.step for event in events[1:]] == [1, 2, 3]
    tags = [{value.tag: value.simple_value for value in event.summary.value} for event in events[1:]]
    assert {"train/loss", "train/cls", "train/gradient_norm", "train/images_per_second"} <= tags[0].keys()
    assert ["train/validation" in found for found in tags] == [False, False, True]


def test_divergence_stops_the_run_and_names_batch_term_and_cause(tmp_path):
    config = toy.train_config(learning_rate=1e6, checkpoint_every=2, lr_warmup_epoch=3.0)
    with pytest.raises(guards.TrainingDiverged) as caught:
        train(toy.spec(), config, toy.data(), tmp_path / "checkpoint", tmp_path / "work", say=lambda line: None)
    error = caught.value
    assert "learning rate" in str(error)
    assert error.term in guards.TERMS
    position = (error.step - 1) % 8
    assert error.image_ids == list(range(position * 8 + 1, position * 8 + 9))
    assert not (tmp_path / "checkpoint").exists()
    saved = json.loads((tmp_path / "work/state/state.json").read_text())["step"]
    assert f"The state after step {saved} is kept in {tmp_path / 'work'}" in str(error)


def test_state_of_another_configuration_is_moved_aside(tmp_path):
    work = tmp_path / "work"
    history = History([toy.row(1), replace(toy.row(2), validation=0.5)])
    resume.save(
        work,
        {"a": np.arange(3.0)},
        Progress(2, 0.5, 2, history, ["note"], {"source": "d0.tar.gz"}),
        {"train": {"steps": 5}, "data": "x"},
    )
    same = resume.load(work, {"train": {"steps": 5}, "data": "x"}, print)
    assert (same.step, same.best, same.best_step, same.notes) == (2, 0.5, 2, ["note"])
    assert same.loaded == {"source": "d0.tar.gz"}
    assert (same.history.rows[1].loss, same.history.rows[1].validation) == (1.0, 0.5)
    said = []
    assert resume.load(work, {"train": {"steps": 6}, "data": "x"}, said.append) is None
    assert "train.steps: 5 before, 6 now" in said[0]
    assert (tmp_path / "work.stale-1" / "state" / "state.json").is_file()
    assert not work.exists()


def test_damaged_weights_and_missing_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="No trained detector at"):
        saved_detector.load(tmp_path)
    broken = tmp_path / "best.weights.h5"
    broken.write_bytes(b"half a file")
    saved_detector.describe(tmp_path, toy.spec(), {1: "plate"}, {})
    with pytest.raises(UserError, match="is damaged or not an HDF5 file"):
        saved_detector.load(tmp_path)


def test_numbers_that_follow_from_the_run():
    assert number_of_steps(toy.train_config(steps=None, num_epochs=3), images=20) == 8
    assert [batch_norm_momentum(toy.train_config(), steps) for steps in (10, 375, 750, 3750, 10**6)] == pytest.approx(
        [0.9, 0.9, 0.95, 0.99, 0.99]
    )
    assert class_weights([90, 10], "inverse") == pytest.approx([100 / 180, 5.0])
    assert class_weights([10, 10], "effective_number") == pytest.approx([1, 1])


def test_batches_that_can_be_read_only_once_are_refused():
    once = from_batches((batch for batch in toy.batches(1)), images=8)
    endless = iter(once.training(0))
    next(endless)
    with pytest.raises(UserError, match="only once"):
        next(endless)
