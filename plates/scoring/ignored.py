"""Regions to ignore: rejected boxes in photographs that stay (`validation.rejected_box: ignore`)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates.ccpd.geometry import clip

REJECTED = "data/rejected.parquet"


def regions(file: Path) -> pd.DataFrame:
    """One row per region of a file such as `REJECTED`, in the columns of the labels table, cut to the photograph."""
    rejected = pq.read_table(file, filters=pc.field("ignored")).to_pandas()
    ignored = rejected.drop(columns=["broken", "found", "ignored"])
    return clip(ignored.reset_index(drop=True), np.inf)[0]
