"""A rejected box in a photograph that stays: neither a plate to find nor a place where finding one is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from checks.annotations import validate
from plates.ccpd.table import LABELS_SCHEMA, REJECTED_SCHEMA
from plates.columns import BOX
from plates.efficientdet.data.tfrecords import images_from
from plates.efficientdet.evaluation.metrics import evaluate
from plates.files import write_parquet
from plates.scoring.ignored import REJECTED, regions
from plates.scoring.truth import identity, real, truth
from plates.settings.project import Project

FOUND = [10, 10, 50, 30], [100, 100, 180, 130], [10, 10, 50, 30]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two photographs of 180x290; the second box of the first reaches 20 px over the edge and is a region to ignore."""
    rows = pd.DataFrame(
        {
            "path": ["1.jpg", "1.jpg", "2.jpg"],
            "name": ["1.jpg", "1.jpg", "2.jpg"],
            "sha256": ["1" * 64, "1" * 64, "2" * 64],
            "subset": "street",
            "width": 180,
            "height": 290,
            "class": "plate",
            **dict(zip(BOX, np.float32([[10, 10, 50, 30], [100, 100, 200, 130], [10, 10, 50, 30]]).T, strict=True)),
        }
    )
    labels = pa.Table.from_pandas(rows.reindex(columns=LABELS_SCHEMA.names), LABELS_SCHEMA, preserve_index=False)
    verdict = validate(labels.to_pandas(), subsets=["street"], rejected_box="ignore")
    project = Project(tmp_path)
    for name, table, schema in (
        ("boxes", verdict.accepted, LABELS_SCHEMA),
        ("rejected", verdict.rejected, REJECTED_SCHEMA),
    ):
        write_parquet(project.path(f"data/{name}.parquet"), pa.Table.from_pandas(table, schema, preserve_index=False))
    splits = pd.DataFrame({"image_id": [1, 2], "path": ["1.jpg", "2.jpg"], "split": "test"})
    write_parquet(project.path("data/splits.parquet"), splits)
    return project


def test_a_detection_in_a_region_to_ignore_is_not_wrong(project: Project) -> None:
    found = pd.DataFrame(FOUND, columns=BOX).assign(image_id=[1, 1, 2], **{"class": 1}, score=[0.5, 0.9, 0.5])

    assert evaluate(found, truth(project, "test", with_regions=True), {1: "plate"}).metrics.mAP == 1.0
    assert evaluate(found, truth(project, "test"), {1: "plate"}).metrics.mAP < 1.0


def test_regions_are_cut_at_the_edge_and_told_apart(project: Project) -> None:
    both = truth(project, "test", with_regions=True)
    tables = project.path("data/boxes.parquet"), project.path("data/splits.parquet")
    images = images_from(*tables, {1: "plate"}, regions(project.path(REJECTED))).to_pylist()

    assert both[both["iscrowd"]][BOX].to_numpy().tolist() == [[100, 100, 180, 130]]
    assert len(real(both)) == len(truth(project, "test")) == 2
    assert identity(both) != identity(truth(project, "test"))
    assert [(image["path"], sum(image["crowd"])) for image in images if any(image["crowd"])] == [("1.jpg", 1)]
