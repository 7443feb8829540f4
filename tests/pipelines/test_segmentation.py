"""Masks instead of boxes, from the TFRecords to the champion: what has no boxes has no mAP, and says so."""

import json
import shutil
from pathlib import Path

import pytest
from clones import Command, commands
from PIL import Image
from pycocotools import mask as rle

from plates.settings import edit

pytestmark = pytest.mark.long
STAGES = ("anchors", "preflight", "checkpoint", "evaluation", "exported_model", "model_card", "champion")


@pytest.fixture(scope="module")
def masked(finished, tmp_path_factory) -> tuple[Path, Command]:
    """The finished project's data with the segmentation head alone, made from the TFRecords on: no champion before."""
    root = tmp_path_factory.mktemp("masks") / "project"
    shutil.copytree(finished[0], root, symlinks=True)
    for made in ("models", "metrics", "reports", "lineage"):
        shutil.rmtree(root / made, ignore_errors=True)
    call = commands(root)
    masks = {"model.heads": ["segmentation"], "gate.metric": "mask_iou"}
    edit.write(root / "params.yaml", {**masks, "train.steps": 40, "train.learning_rate": 0.08, "train.eval_every": 40})
    call("plates", "materialize", *STAGES)
    return root, call


def test_the_figures_are_those_of_masks(masked) -> None:
    root, _ = masked
    metrics = json.loads((root / "metrics/evaluation.json").read_text())
    assert 0 < metrics["mask_iou"] == metrics["mask_iou_by_class"]["license_plate"] < 1
    assert metrics["mask_iou_by_class"]["background"] > 0.5
    assert not metrics.keys() & {"mAP", "mAP50", "mAP75", "ccpd_score", "by_subset", "detections"}
    champion = json.loads((root / "models/champion.json").read_text())
    assert champion["decision"]["promoted"]
    assert "mask_iou" in champion["decision"]["reason"]
    for page in ("reports/evaluation.html", "models/export/MODEL_CARD.md"):
        text = (root / page).read_text(encoding="utf-8")
        assert f"{metrics['mask_iou']:.3f}" in text
        assert "mAP is COCO's" not in text


def test_the_export_predicts_and_draws_masks(masked, tmp_path: Path) -> None:
    root, call = masked
    agreement = json.loads((root / "models/export/model/agreement.json").read_text())
    assert agreement["agrees"]
    photographs = sorted(root.glob("data/sample/ccpd_base/*.jpg"))[:16]
    lines = call("plates", "predict", *map(str, photographs), "--draw", str(tmp_path)).stdout.splitlines()
    count = 0
    for photograph, line in zip(photographs, lines, strict=True):
        found = json.loads(line)
        assert "detections" not in found
        with Image.open(photograph) as image, Image.open(tmp_path / photograph.name) as drawn:
            assert drawn.size == image.size
            for mask in found["masks"]:
                assert mask["name"] == "license_plate"
                assert rle.decode({key: mask[key] for key in ("size", "counts")}).shape == (image.height, image.width)
                count += 1
    assert count


def test_a_gate_by_map_is_refused_before_anything_runs(masked) -> None:
    _, call = masked
    done = call("plates", "run", "--set", "gate.metric=mAP", check=False)
    assert done.returncode == 1
    assert "set gate.metric: mask_iou" in done.stderr
