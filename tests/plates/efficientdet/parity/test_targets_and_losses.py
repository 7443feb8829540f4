import json
import math

import numpy as np
import pytest
from keras import ops

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.training import losses, matching, schedule
from plates.efficientdet.training.matching import Targets

LOSSES = {"cls_loss": "class_loss", "box_loss": "box_loss", "box_iou_loss": "iou_loss", "det_loss": "det_loss"}


def numbers(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


@pytest.fixture(scope="module")
def assigned(published):
    return numbers(matching.assign(published.anchors, *published.ground_truth, reference=True))


def test_targets_of_the_label_sets(published, assigned):
    classes, boxes, num_positives = assigned
    assert np.array_equal(classes, published.targets[0])
    assert np.abs(boxes - published.targets[1]).max() < 1e-5
    assert num_positives.tolist() == published.targets[2].tolist()


def test_only_a_box_that_touches_no_anchor_is_treated_otherwise(published, assigned):
    classes, _, _ = numbers(matching.assign(published.anchors, *published.ground_truth))
    assert np.argwhere(classes != assigned[0]).tolist() == [[7, 0]]


@pytest.mark.parametrize("branch", ["label", "train_label"])
def test_targets_of_the_reference_s_data_loader(published, branch):
    loaded = published.arrays("dataloader_eval")
    truth = loaded[f"{branch}/groundtruth_data"]
    y1, x1, y2, x2, _, _, classes = np.moveaxis(truth, -1, 0)
    scale = loaded[f"{branch}/image_scales"][:, None, None]
    boxes = np.stack([y1, x1, y2, x2], axis=-1) / scale
    found, deltas, num_positives = numbers(
        matching.assign(published.anchors, boxes, np.maximum(classes, 0).astype(np.int32))
    )
    expected = [loaded[f"{branch}/cls_targets_{level}"].reshape(2, -1) for level in range(3, 8)]
    assert np.array_equal(found, np.concatenate(expected, axis=1))
    expected = [loaded[f"{branch}/box_targets_{level}"].reshape(2, -1, 4) for level in range(3, 8)]
    assert np.abs(deltas - np.concatenate(expected, axis=1)).max() < 1e-5
    assert num_positives.sum() == loaded[f"{branch}/mean_num_positives"].sum()


def in_the_reference_s_order(anchors, batch):
    """The anchors [B, A, 4] that google/automl decodes a batch with: images outside, over outputs with levels outside.

    They are the wrong ones, which only shows where a coordinate is masked (EFFICIENTDET.md, section 3).
    """
    counts = [len(anchors) * 4**-i for i in range(5)]
    counts = np.round(np.array(counts) * len(anchors) / sum(counts)).astype(int)
    used = np.tile(anchors, (batch, 1))
    levels = np.split(used, np.cumsum(counts * batch)[:-1])
    return np.concatenate([level.reshape(batch, -1, 4) for level in levels], axis=1)


@pytest.mark.parametrize("kind", [None, "iou", "giou", "diou", "ciou"])
@pytest.mark.parametrize("sets", ["B2_s3_s7", "B1_s3", "B2_s0_s0_no_objects", "B2_s5_s6"])
def test_losses(published, assigned, sets, kind):
    rows = [int(part[1]) for part in sets.split("_")[1:] if part[0] == "s"]
    targets = Targets(*(ops.convert_to_tensor(values[rows]) for values in assigned))
    outputs = {name: values[: len(rows)] for name, values in published.outputs.items()}
    expected = published.json("losses")[f"{sets}/iou={kind}"]
    normalizer = ops.sum(targets.num_positives) + 1.0
    assert float(normalizer) == expected.pop("num_positives_sum")
    found = losses.detection_loss(
        outputs,
        targets,
        in_the_reference_s_order(published.anchors, len(rows)),
        normalizer,
        TrainConfig(iou_loss_type=kind, reference=True),
    )
    assert {name: float(found[LOSSES[name]]) for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("sets", ["B2_s3_s7", "B1_s3", "B2_s0_s0_no_objects", "B2_s5_s6"])
def test_losses_of_each_level_and_with_label_smoothing(published, assigned, sets):
    rows = [int(part[1]) for part in sets.split("_")[1:] if part[0] == "s"]
    classes, boxes, num_positives = (values[rows] for values in assigned)
    outputs = {name: values[: len(rows)] for name, values in published.outputs.items()}
    expected = published.json("losses")
    normalizer = float(num_positives.sum() + 1)
    start = 0
    for level in range(3, 8):
        end = start + 9 * (published.image_size[0] // 2**level) ** 2
        targets = Targets(classes[:, start:end], boxes[:, start:end], num_positives)
        cls = losses.focal_loss(targets.classes, outputs["class"][:, start:end], normalizer)
        box = losses.huber_loss(targets, outputs["box"][:, start:end], normalizer, reference=True)
        level_losses = expected[f"{sets}/per_level"][f"P{level}"]
        assert {"cls": float(cls), "box": float(box)} == pytest.approx(level_losses, rel=1e-5, abs=1e-9)
        start = end
    smoothed = losses.focal_loss(classes, outputs["class"], normalizer, label_smoothing=0.1)
    assert float(smoothed) == pytest.approx(expected[f"{sets}/cls_loss_label_smoothing_0.1"], rel=1e-5)


def test_nothing_is_masked_because_its_offset_is_0(published, assigned):
    """s5 holds boxes equal to anchors: our loss sees a wrong prediction there, the reference's does not."""
    targets = Targets(*(values[5:6] for values in assigned))
    outputs = {"class": published.outputs["class"][:1], "box": np.ones_like(published.outputs["box"][:1])}
    ours, theirs = (float(losses.huber_loss(targets, outputs["box"], 1.0, reference=r)) for r in (False, True))
    hidden = ((targets.boxes == 0) & (targets.classes >= 0)[..., None]).sum()
    assert hidden >= 17
    assert ours - theirs == pytest.approx(hidden * (0.1 * 1 - 0.1**2 / 2) / 4, rel=1e-4)


def test_learning_rates(shared):
    """All but the reference's NaN after the end of a polynomial decay, where ours is 0."""
    for run in json.loads((shared / "reference" / "d0_512" / "lr_schedule.json").read_text()):
        train = TrainConfig(
            **{"learning_rate": 0.08, "reference": True, "batch_size": run["batch_size"], **run["overrides"]}
        )
        rates = schedule.build(train, run["steps_per_epoch"], run["total_steps"])
        expected = {step: rate for step, rate in run["values"] if not math.isnan(rate)}
        assert len(expected) >= len(run["values"]) - 1
        assert {step: float(rates(step)) for step in expected} == pytest.approx(expected, rel=1e-5, abs=3e-8)
