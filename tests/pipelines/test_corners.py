"""Corners beside boxes, from the TFRecords to the record: their figures are in every place that has figures."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from clones import Command, commands

from plates.columns import CORNERS
from plates.settings import edit

pytestmark = pytest.mark.long
STAGES = ("anchors", "preflight", "checkpoint", "evaluation", "exported_model", "model_card")


@pytest.fixture(scope="module")
def cornered(finished, tmp_path_factory) -> tuple[Path, Command]:
    """The finished project with corners and a gate by them, made again from the TFRecords on."""
    root = tmp_path_factory.mktemp("corners") / "project"
    shutil.copytree(finished[0], root, symlinks=True)
    for made in ("models", "metrics", "reports"):
        shutil.rmtree(root / made, ignore_errors=True)
    call = commands(root)
    corners = {"model.heads": ["object_detection", "corners"], "gate.metric": "corner_iou", "gate.min_value": 0}
    edit.write(root / "params.yaml", {**corners, "train.steps": 60})
    call("plates", "materialize", *STAGES)
    return root, call


def test_the_figures_of_corners_are_in_every_place(cornered) -> None:
    root, call = cornered
    metrics = json.loads((root / "metrics/evaluation.json").read_text())
    assert 0 <= metrics["corner_iou"] <= 1
    assert metrics["boxes_without_corners"] == 0
    assert all("corner_iou" in row for row in metrics["slices"])
    low, high = metrics["intervals"]["corner_iou"]
    assert low <= metrics["corner_iou"] <= high
    assert json.loads((root / "metrics/scores.json").read_text())["corner_iou"] == metrics["corner_iou"]
    for page in ("reports/evaluation.html", "models/export/MODEL_CARD.md"):
        text = (root / page).read_text(encoding="utf-8")
        assert "corner iou" in text.lower()
        assert f"{metrics['corner_iou']:.3f}" in text
    assert f"{metrics['corner_iou']:.3f}" in call("plates", "lineage").stdout


def test_every_detection_keeps_its_corners(cornered) -> None:
    root, _ = cornered
    for split in ("detections", "detections_val"):
        table = pd.read_parquet(root / f"data/{split}.parquet", columns=CORNERS)
        assert len(table)
        assert table.notna().all(axis=None)


def test_a_gate_by_corners_does_not_judge_against_a_model_without_them(cornered) -> None:
    _, call = cornered
    done = call("plates", "materialize", "champion", check=False)
    assert done.returncode == 1
    assert "gate.metric is corner_iou, by which record" in done.stderr
    assert "plates promote ID --new-bar --because" in done.stderr
