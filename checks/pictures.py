"""What happens to a photograph when some of its boxes are rejected and others are not.

Unchanged, it would teach that there is nothing where the rejected box is.
"""

from typing import Literal

import numpy as np
import pandas as pd

from plates.ccpd.geometry import box_area, clip
from plates.columns import BOX

Policy = Literal["set_aside", "ignore"]

COPY = "annotation_once"
"""The only expectation that can be broken without leaving an object unlabelled."""


def divide(labels: pd.DataFrame, broken: pd.Series, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are rejected because their photograph is, and those that become regions to ignore, by position.

    Args:
        labels: the labels table, on an index from 0.
        broken: names of the broken expectations, by position, for the rejected rows only.
        policy: whether such a photograph is set aside whole, or stays with its rejected boxes as regions to ignore. It
        is also set aside whole if a rejected box has no place in the image that could be ignored.
    """
    faulty = broken.index[[set(names) != {COPY} for names in broken]].to_numpy()
    paths = labels["path"]
    beside = np.setdiff1d(np.flatnonzero(paths.isin(paths.iloc[faulty])), broken.index)
    if policy == "set_aside":
        return beside, np.zeros(0, np.int64)
    placed = box_area(clip(labels.iloc[faulty], np.inf)[0][BOX].to_numpy(np.float64)) > 0
    staying = set(paths.iloc[beside]) - set(paths.iloc[faulty[~placed]])
    return beside[~paths.iloc[beside].isin(staying)], faulty[paths.iloc[faulty].isin(staying)]
