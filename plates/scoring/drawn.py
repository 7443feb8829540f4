"""What a report draws of an evaluation: the curves' tables and the worst photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from plates.efficientdet.evaluation.report import pictures
from plates.efficientdet.evaluation.thresholds import Ranked
from plates.pages.pictures import Picture
from plates.remote import Place
from plates.scoring.scores import Boxes
from plates.scoring.truth import real


def curves(boxes: Boxes | None, calibration: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Tables of `precision_recall`, `f1` and `reliability`, without rows if there are no boxes.

    Args:
        boxes: of `scores`.
        calibration: of `plates.scoring.working_points`.
    """
    at_50 = pd.DataFrame(columns=["recall", "precision", "score"])
    f1 = pd.DataFrame(columns=["score", "precision", "recall", "f1"])
    if boxes:
        whole = boxes.evaluation.curves
        at_50 = whole[whole["iou"] == 0.5].groupby("recall", as_index=False)[["precision", "score"]].mean()
        f1 = Ranked.of(boxes.tally.matches).curve()
    reliability = pd.DataFrame(calibration.get("bins", []), columns=["score", "right", "count"])
    return {"precision_recall": at_50, "f1": f1, "reliability": reliability}


def worst(
    boxes: Boxes | None,
    truth: pd.DataFrame,
    found: Callable[[list[int]], pd.DataFrame],
    file: Callable[[str, str], Place],
    count: int,
) -> list[Picture]:
    """The worst photographs, with truth and detection.

    Args:
        boxes: of `scores`.
        truth: of `plates.scoring.truth`.
        found: gives the detections of the photographs with these image ids.
        file: gives the photograph of a path and a SHA-256.
        count: of photographs.
    """
    if boxes is None:
        return []
    rows = pictures.worst(boxes.tally.best, count)
    detections, plates = found(rows["image_id"].tolist()), real(truth)
    drawn = []
    for row in rows.itertuples():
        labels = plates[(plates["image_id"] == row.image_id) & plates["class"].notna()]
        best = detections[detections["image_id"] == row.image_id].nlargest(1, "score")
        caption = f"{row.subset}, IoU {row.iou:.2f}, score {row.score:.2f}"
        drawn.append(pictures.draw(file(str(row.path), labels["sha256"].iloc[0]), labels, best, caption))
    return drawn
