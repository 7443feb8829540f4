"""Regions to ignore: rejected boxes in photographs that stay (`validation.rejected_box: ignore`)."""

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates.ccpd.geometry import clip
from plates.settings.project import Project


def regions(project: Project) -> pd.DataFrame:
    """One row per region, in the columns of the labels table, its box cut to the photograph."""
    rejected = pq.read_table(project.path("data/rejected.parquet"), filters=pc.field("ignored")).to_pandas()
    ignored = rejected.drop(columns=["broken", "found", "ignored"])
    return clip(ignored.reset_index(drop=True), np.inf)[0]
