"""Putting the page together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from plates.efficientdet.evaluation.report import curves
from plates.pages import page, plots
from plates.pages.pictures import Picture


def write(
    path: Path,
    *,
    title: str,
    metrics: Mapping[str, Any],
    facts: Mapping[str, str],
    precision_recall: pd.DataFrame | None,
    history: pd.DataFrame,
    worst: Sequence[Picture],
    best: Sequence[Picture],
) -> None:
    """Writes the report: no file beside it is needed to read it.

    `metrics` holds the headline figures (`mAP`, `mAP50`, `mAP75`, `ccpd_score`, `mask_iou`), `by_subset`, a list of
    rows, and `mask_iou_by_class`: those of the heads that the model has.
    """
    with plots.text_as_svg():
        drawn = [] if precision_recall is None else [curves.precision_recall(precision_recall)]
        svgs = [plots.svg(figure) for figure in (*drawn, curves.loss(history))]
    page.write(
        path,
        "plates.efficientdet.evaluation.report",
        "page.html.j2",
        title=title,
        metrics=metrics,
        facts=facts,
        curves=svgs,
        worst=worst,
        best=best,
    )
