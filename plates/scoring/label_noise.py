"""How far labels are inconsistent: the labelled box against the box around the labelled corners of the same plate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from plates.ccpd.geometry import hull, iou
from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation.matching import IOUS


@dataclass(frozen=True)
class LabelNoise:
    """What the boxes around the corners would score as a detector.

    Attributes:
        boxes: that have corners.
        median_iou: of the labelled box with the one around the corners.
        ceiling: the mAP of that detector, its scores in the best order: the mean share of boxes over COCO's IoUs.
    """

    boxes: int
    median_iou: float
    ceiling: float

    @property
    def sentence(self) -> str:
        """What a reader of a score must know about it."""
        if self.ceiling == 1:
            return f"All {self.boxes:,} boxes are the ones around their corners."
        return (
            f"The boxes around the labels' own corners, as a detector, would score an mAP of {self.ceiling:.3f} "
            f"(median IoU {self.median_iou:.2f} on {self.boxes:,} plates): anything above that fits how boxes were "
            "drawn, not where plates are. data.box_from: corners trains and scores on the corners."
        )


def label_noise(table: pd.DataFrame) -> LabelNoise | None:
    """Of a table with boxes and corners; None if no box has corners."""
    rows = table[table[[*BOX, *CORNERS]].notna().all(axis=1)]
    if rows.empty:
        return None
    found = iou(rows[BOX].to_numpy(float), hull(rows[CORNERS].to_numpy(float).reshape(-1, 4, 2)))
    return LabelNoise(len(rows), float(np.median(found)), float((found[:, None] >= IOUS).mean()))
