"""A whole run on `data.box_from: corners`: a label is not the box around its corners, in scenes as in CCPD."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clones import Command
from conftest import SMALL

from plates.columns import BOX, CORNERS


@pytest.mark.long
def test_a_run_trains_and_scores_on_the_box_around_the_corners(fresh: tuple[Path, Command]) -> None:
    folder, run = fresh
    settings = (*SMALL, "data.box_from=corners")
    run("plates", "run", *(word for setting in settings for word in ("--set", setting)))

    labels, boxes = (pd.read_parquet(folder / f"data/{name}.parquet") for name in ("labels", "boxes"))
    plates = boxes[boxes["class"].notna()].set_index("path")
    corners = plates[CORNERS].to_numpy(float).reshape(-1, 4, 2)
    hull = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    np.testing.assert_allclose(plates[BOX].to_numpy(), hull, atol=1)
    labelled = labels.set_index("path").loc[plates.index, BOX].to_numpy()
    assert (np.abs(labelled - hull).max(axis=1) > 1).mean() > 0.9

    (record,) = (json.loads(file.read_text()) for file in (folder / "lineage/records").glob("*.json"))
    assert record["params"]["data"]["box_from"] == "corners"
    metrics = json.loads((folder / "metrics/evaluation.json").read_text())
    assert 0 <= metrics["mAP"] <= 1
    assert metrics["boxes"] > 0
    report = (folder / "reports/evaluation.html").read_text(encoding="utf-8")
    assert "boxes are the ones around their corners" in report
