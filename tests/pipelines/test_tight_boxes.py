"""A whole run on the tight boxes: photographs whose labels are wider than their plates, `data.box_from: corners`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clones import Command
from conftest import SMALL

from plates.ccpd.scenes import generate
from plates.columns import BOX, CORNERS

WIDER = 4
"""Pixels by which a labelled box is wider than its plate on each side; over 5 it would be rejected."""


def wide_labels(folder: Path) -> None:
    """A CCPD folder whose boxes are wider than the corners say."""
    generate(folder, count=80, seed=0)
    for file in [file for file in folder.rglob("*.jpg") if file.stem.count("-") >= 6]:
        index, tilt, box, *others = file.stem.split("-")
        (left, top), (right, bottom) = (map(int, corner.split("&")) for corner in box.split("_"))
        wide = f"{max(left - WIDER, 0)}&{max(top - WIDER, 0)}_{min(right + WIDER, 719)}&{min(bottom + WIDER, 1159)}"
        file.rename(file.with_name("-".join([index, tilt, wide, *others]) + ".jpg"))


@pytest.mark.long
def test_a_run_trains_and_scores_on_the_box_around_the_corners(fresh: tuple[Path, Command], tmp_path: Path) -> None:
    folder, run = fresh
    wide_labels(tmp_path / "photographs")
    settings = (*SMALL, f"data.root={tmp_path / 'photographs'}", "data.box_from=corners")
    run("plates", "run", *(word for setting in settings for word in ("--set", setting)))

    labels, boxes = (pd.read_parquet(folder / f"data/{name}.parquet") for name in ("labels", "boxes"))
    plates = boxes[boxes["class"].notna()].set_index("path")
    corners = plates[CORNERS].to_numpy(float).reshape(-1, 4, 2)
    hull = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    np.testing.assert_allclose(plates[BOX].to_numpy(), hull, atol=1)
    labelled = labels.set_index("path").loc[plates.index, BOX].to_numpy()
    assert ((labelled[:, 2] - labelled[:, 0]) > hull[:, 2] - hull[:, 0] + WIDER).mean() > 0.9

    (record,) = (json.loads(file.read_text()) for file in (folder / "lineage/records").glob("*.json"))
    assert record["params"]["data"]["box_from"] == "corners"
    metrics = json.loads((folder / "metrics/evaluation.json").read_text())
    assert 0 <= metrics["mAP"] <= 1
    assert metrics["boxes"] > 0
    report = (folder / "reports/evaluation.html").read_text(encoding="utf-8")
    assert "boxes are the ones around their corners" in report
