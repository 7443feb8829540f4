"""Regions to ignore: rejected boxes in photographs that stay (`validation.rejected_box: ignore`)."""

import numpy as np
import pandas as pd
import pyarrow as pa

from plates.ccpd.geometry import clip
from plates.settings.project import Project


def regions(project: Project) -> pd.DataFrame:
    """One row per region, in the columns of the labels table, its box cut to the photograph."""
    rejected = pd.read_parquet(project.path("data/rejected.parquet"))
    ignored = rejected[rejected["ignored"]].drop(columns=["broken", "found", "ignored"])
    return clip(ignored.reset_index(drop=True), np.inf)[0]


def with_regions(boxes: pa.Table, project: Project) -> pa.Table:
    """Rows of the boxes table, then the project's regions to ignore; a column `crowd` tells them apart."""
    ignored = pa.Table.from_pandas(regions(project), preserve_index=False).select(boxes.column_names)
    together = pa.concat_tables([boxes, ignored.cast(boxes.schema)])
    crowd = pa.chunked_array([pa.repeat(False, len(boxes)), pa.repeat(True, len(ignored))])
    return together.append_column("crowd", crowd)
