"""Each cause on evidence that has it, and none on evidence of a healthy run."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from plates.errors import UserError
from plates.files import write_json
from plates.lineage.record import flat
from plates.settings.params import Params
from plates.settings.project import Project
from plates.why.evidence import Beside, Evidence
from plates.why.placement import Placement
from plates.why.verdict import verdict

STEPS = 400
FINE = Placement(150, 0.98, 0.98, 0.0, (1.0, 1.0), 0.98, (0.0, 0.0), (0.1, 0.1), 1.0, 0.8, 0.01)
TRAIN = {"images": 500, "boxes": 500, "negatives": 0, "max_boxes": 1, "shards": []}


def history(**columns) -> pd.DataFrame:
    validation = np.full(STEPS, np.nan)
    validation[79::80] = [0.1, 0.4, 0.6, 0.65, 0.655]
    known = {
        "step": np.arange(1, STEPS + 1),
        "loss": np.geomspace(2, 0.2, STEPS),
        "cls": np.geomspace(1, 0.1, STEPS),
        "box": np.geomspace(0.02, 0.002, STEPS),
    }
    known |= {"positives": 20.0, "boxes": 1.0, "ignored": 0.0, "dropped": 0.0, "validation": validation}
    return pd.DataFrame(known | columns)


def evidence(tmp_path, metrics=None, params=None, **known) -> Evidence:
    figures = {"mAP": 0.66, "mAP50": 0.99, "mAP75": 0.8, "mAP_on_val": 0.64}
    figures |= {"images": 150, "boxes": 150, "split": "test"}
    made = Evidence(
        Project(tmp_path), flat(Params().model_dump(mode="json")) | (params or {}), figures | (metrics or {})
    )
    vars(made).update(
        {
            "history": history(),
            "run": {"best_validation": {"mAP": 0.655}, "batch_norm_momentum": 0.906, "warnings": []},
            "label_map": {1: "plate"},
            "loaded": {},
            "anchors": {"used": {"best_possible_recall": 1.0}},
            "manifest": {"splits": {"train": TRAIN}, "class_counts": {"train": {"plate": 500}}},
            "agreement": {"agrees": True, "images": 10},
            "placed": FINE,
            "labels": pd.DataFrame(),
            "shifts": pd.DataFrame(columns=["column", "psi"]),
            "beside_corners": Beside(0.01, 0.0, 0.0),
            "copies": (0, 500),
            "detail": 2.6,
        }
        | known
    )
    return made


LOW = {"mAP": 0.1, "mAP50": 0.2, "mAP75": 0.05}
LOADED = {"source": "w.h5", "kind": "Keras weights", "matched": ["a"] * 50}
RUN = {"best_validation": {"mAP": 0.1}, "batch_norm_momentum": 0.906}
CASES = {
    "labels are not on the plates": {"detail": 1.02},
    "boxes are shifted": {"beside_corners": Beside(0.14, 0.0, 0.01)},
    "plates without a label": {"placed": replace(FINE, confident_elsewhere=0.3)},
    "labels do not reach training": {"history": history(boxes=0.1)},
    "a class is absent": {
        "metrics": {"per_class": {"plate": 0.6, "green": 0.0}},
        "label_map": {1: "plate", 2: "green"},
        "manifest": {"splits": {"train": TRAIN}, "class_counts": {"train": {"plate": 500}}},
    },
    "the learning rate is too high": {"params": {"train.learning_rate": 2.4}},
    "the learning rate is too low": {"params": {"train.learning_rate": 2.4e-6}},
    "batch norm has not settled": {
        "params": {"train.batch_norm_momentum": 0.999},
        "run": RUN | {"batch_norm_momentum": 0.999, "warnings": ["Warning: batch norm: loss 0.2 and 3.1"]},
    },
    "everything is frozen": {"params": {"train.var_freeze_expr": ".*"}},
    "pretrained weights loaded in part": {
        "loaded": LOADED | {"skipped": {f"box_net/{i}": "not in the file" for i in range(50)}}
    },
    "pretrained heads are for something else": {
        "run": {"best_validation": {"mAP": 0.655}, "warnings": ["Warning: pretrained classes: the class"]}
    },
    "the class head was not re-initialised": {"run": RUN | {"warnings": ["Warning: class head: the first step's"]}},
    "dead class head": {"run": RUN | {"warnings": ["Warning: dead class head: after warm-up"]}},
    "one term drowns the other": {"params": {"train.box_loss_weight": 20000.0}},
    "augmentation destroys plates": {"history": history(ignored=0.8)},
    "the anchors do not fit": {
        "params": {"train.assignment": "iou"},
        "anchors": {"used": {"best_possible_recall": 0.2}},
    },
    "wrong mean or deviation of pixels": {"params": {"model.mean_rgb": [0.0, 0.0, 0.0]}},
    "the score threshold drops detections": {
        "params": {"nms.score_thresh": 0.99},
        "placed": replace(FINE, answered=0.1, found=0.1, found_in_class=0.1),
    },
    "wrong class ids": {"placed": replace(FINE, found_in_class=0.0)},
    "x and y are swapped": {"placed": replace(FINE, found=0.0, found_in_class=0.0, swapped=0.9)},
    "boxes are in another scale": {
        "placed": replace(FINE, found=0.0, found_in_class=0.0, scale=(0.5, 0.5), rescaled=0.9)
    },
    "detections are shifted": {"placed": replace(FINE, offset=(0.3, 0.0))},
    "inference is not what training validated": {"metrics": {"mAP_on_val": 0.3}},
    "validation in training is wrong": {"metrics": {"mAP_on_val": 0.9}},
    "stale checkpoint": {"trained_on": "1" * 32, "manifest_hash": "2" * 32},
}


@pytest.mark.parametrize("cause", CASES)
def test_the_cause_is_ranked_first(tmp_path, cause):
    known = dict(CASES[cause])
    found = verdict(evidence(tmp_path, LOW | known.pop("metrics", {}), **known))
    assert found.findings[0].cause == cause
    assert cause in found.answer


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"label_map": {1: "plate", 2: "green"}, "metrics": {"per_class": {"plate": 0.66, "green": None}}},
        {
            "params": {"model.pretrained": "w.h5"},
            "manifest": {"splits": {"train": TRAIN | {"images": 40, "boxes": 40}}},
        },
    ],
    ids=["as it is", "no photograph has the second class", "few photographs and pretrained weights"],
)
def test_a_healthy_run_is_accused_of_nothing(tmp_path, known):
    found = verdict(evidence(tmp_path, **known))
    assert found.findings == []
    assert found.answer == "Nothing is wrong, as far as the evidence goes."


def test_without_a_history_nothing_is_said_of_its_steps(tmp_path):
    made = evidence(tmp_path, LOW, {"train.batch_norm_momentum": 0.9}, history=history().iloc[:0])
    found = verdict(made)
    assert "batch norm has not settled" not in {finding.cause for finding in found.findings}
    assert "nan" not in " ".join(finding.sentence for finding in found.findings)


def test_a_model_of_masks_is_not_accused_of_boxes(tmp_path):
    """It has no anchors, and counts no boxes."""
    made = evidence(tmp_path, {"mask_iou": 0.2}, {"model.heads": ["segmentation"]}, placed=None)
    for name in ("mAP", "mAP50", "mAP75", "mAP_on_val"):
        del made.metrics[name]
    vars(made)["history"] = history(positives=0.0, boxes=0.0, dropped=0.5)
    found = verdict(made)
    named = {finding.cause for finding in found.findings}
    assert not named & {"augmentation destroys plates", "the anchors do not fit", "labels do not reach training"}


def test_positives_without_a_weight_are_named_unless_the_detector_is_sure(tmp_path):
    alpha = {"train.alpha": 0.001}
    found = verdict(evidence(tmp_path, LOW, alpha, placed=replace(FINE, top_score=0.03)))
    assert found.findings[0].cause == "dead class head"
    assert verdict(evidence(tmp_path, LOW, alpha)).findings == []


@pytest.mark.parametrize(("mAP50", "accused"), [(0.95, 1), (0.998, 0)])
def test_detections_elsewhere_that_rank_below_the_plates_are_no_cause(tmp_path, mAP50, accused):
    placed = replace(FINE, confident_elsewhere=0.3)
    found = verdict(evidence(tmp_path, {"mAP": 0.5, "mAP50": mAP50, "mAP75": 0.5}, placed=placed))
    assert len(found.findings) == accused


def test_pasted_plates_do_not_hide_that_labels_are_lost(tmp_path):
    found = verdict(evidence(tmp_path, LOW, history=history(boxes=1.1, pasted=1.0)))
    assert found.findings[0].cause == "labels do not reach training"


@pytest.mark.parametrize(
    ("params", "accused"),
    [
        ({"train.assignment": "atss"}, 0),
        ({}, 0),
        ({"model.name": "efficientdet-d0"}, 1),
        ({"model.name": "efficientdet-d0", "train.assignment": "atss"}, 0),
    ],
)
def test_atss_is_not_accused_of_anchors_under_an_iou_of_0_5(tmp_path, params, accused):
    anchors = {"used": {"best_possible_recall": 0.2}}
    assert len(verdict(evidence(tmp_path, LOW, params, anchors=anchors)).findings) == accused


def test_anchors_that_fit_nothing_are_named_under_atss_too(tmp_path):
    for mean, accused in ((0.02, True), (0.5, False)):
        known = evidence(tmp_path, LOW, {"train.assignment": "atss"}, anchors={"used": {"mean_best_iou": mean}})
        assert ("the anchors do not fit" in [one.cause for one in verdict(known).findings]) is accused


@pytest.mark.parametrize(("prefix", "count"), [("box_net", 0), ("efficientnetv2-b0", 1)])
def test_a_file_of_a_backbone_is_asked_for_the_backbone_alone(tmp_path, prefix, count):
    skipped = {f"{prefix}/{number}": "not in the file" for number in range(50)}
    loaded = LOADED | {"kind": "keras.applications backbone", "skipped": skipped}
    assert len(verdict(evidence(tmp_path, LOW, loaded=loaded)).findings) == count


def test_figures_on_other_tfrecords_are_not_compared(tmp_path):
    found = verdict(evidence(tmp_path, LOW | {"mAP_on_val": 0.3}, trained_on="1" * 32, manifest_hash="2" * 32))
    assert [finding.cause for finding in found.findings] == ["stale checkpoint"]


def test_a_run_that_was_still_learning_needs_more_steps(tmp_path):
    values = np.full(STEPS, np.nan)
    values[79::80] = [0.0, 0.05, 0.1, 0.2, 0.3]
    found = verdict(evidence(tmp_path, LOW, history=history(validation=values)))
    assert found.answer == "Nothing is wrong: it needs more steps."


def test_more_steps_are_not_all_where_another_cause_is_likely(tmp_path):
    values = np.full(STEPS, np.nan)
    values[79::80] = [0.0, 0.05, 0.1, 0.2, 0.3]
    short = {"history": history(validation=values).head(60), "trained_on": "1" * 32, "manifest_hash": "2" * 32}
    found = verdict(evidence(tmp_path, LOW, **short))
    assert [one.cause for one in found.findings[:2]] == ["too few steps", "stale checkpoint"]
    assert found.answer == "It needs more steps; also look at: stale checkpoint."


@pytest.mark.parametrize(("boxes", "accused"), [(50, False), (10, True)])
def test_equal_classes_are_not_out_of_balance(tmp_path, boxes, accused):
    known = {
        "label_map": {1: "plate", 2: "car"},
        "manifest": {"splits": {"train": TRAIN}, "class_counts": {"train": {"plate": 50, "car": boxes}}},
    }
    found = verdict(evidence(tmp_path, LOW | {"per_class": {"plate": 0.5, "car": 0.1}}, **known))
    assert ("classes out of balance" in [one.cause for one in found.findings]) is accused


def test_a_low_score_without_a_known_cause_is_not_explained_away(tmp_path):
    found = verdict(evidence(tmp_path, LOW))
    assert found.findings == []
    assert "no known cause is found" in found.answer


def test_the_parameters_are_those_of_the_training_while_its_checkpoint_is_there(tmp_path):
    from plates.why.evidence import changed, of_now

    project, checkpoint = Project(tmp_path), tmp_path / "models/checkpoint/model.json"
    write_json(tmp_path / "metrics/evaluation.json", {"mAP": 0.1, "split": "test"})
    (tmp_path / "params.yaml").write_text("train: {learning_rate: 0.024}\n", encoding="utf-8")
    lock = {"stages": {"checkpoint": {"params": {"params.yaml": {"train": {"learning_rate": 20.0, "steps": 350}}}}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    assert (changed(project), of_now(project).params["train.learning_rate"]) == ({}, 0.024)
    write_json(checkpoint, {"run": {}})
    assert changed(project) == {"train.learning_rate": (20.0, 0.024)}
    assert of_now(project).params["train.learning_rate"] == 20.0
    trained = lock["stages"]["checkpoint"]["params"]["params.yaml"]["train"]
    trained |= {"of_other_code": 1, "batch_size": "as allowed there"}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    assert changed(project) == {"train.learning_rate": (20.0, 0.024)}, "what other code knew or allowed is left out"
    (tmp_path / "dvc.lock").write_text("stages: [", encoding="utf-8")
    with pytest.raises(UserError, match=r"dvc\.lock is damaged"):
        of_now(project)


def test_nothing_scored_yet_names_the_next_command(tmp_path):
    from plates.why.evidence import of_now

    with pytest.raises(UserError, match="nothing has been scored yet"):
        of_now(Project(tmp_path))
