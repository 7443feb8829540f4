"""What becomes of a photograph of which some boxes are rejected and some are not.

As it is, it would teach that there is nothing where the rejected one lies.
"""

from typing import Literal

import numpy as np
import pandas as pd

from plates.ccpd.geometry import box_area, clip
from plates.columns import BOX

Policy = Literal["set_aside", "ignore"]

COPY = "annotation_once"
"""The one expectation whose breach leaves no object unlabelled."""


def divide(labels: pd.DataFrame, broken: pd.Series, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are rejected because their photograph is, and those that become regions to ignore, by position.

    Args:
        labels: the labels table, on an index from 0.
        broken: names of the expectations broken, by position, of the rejected rows alone.
        policy: whether such a photograph is set aside whole, or stays with its rejected boxes as regions to ignore. Set
            aside whole it is also where a rejected box has no place in it that could be ignored.
    """
    faulty = broken.index[[set(names) != {COPY} for names in broken]].to_numpy()
    paths = labels["path"]
    beside = np.setdiff1d(np.flatnonzero(paths.isin(paths.iloc[faulty])), broken.index)
    if policy == "set_aside":
        return beside, np.zeros(0, np.int64)
    placed = box_area(clip(labels.iloc[faulty], np.inf)[0][BOX].to_numpy(np.float64)) > 0
    staying = set(paths.iloc[beside]) - set(paths.iloc[faulty[~placed]])
    return beside[~paths.iloc[beside].isin(staying)], faulty[paths.iloc[faulty].isin(staying)]
