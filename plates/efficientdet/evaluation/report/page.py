"""Putting the page together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from plates.efficientdet.evaluation.report import curves
from plates.efficientdet.evaluation.report.pictures import Picture
from plates.files import atomic


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
    environment = Environment(
        loader=PackageLoader("plates.efficientdet.evaluation.report", "."), autoescape=True, undefined=StrictUndefined
    )
    html = environment.get_template("page.html.j2").render(
        title=title,
        metrics=metrics,
        facts=facts,
        precision_recall="" if precision_recall is None else curves.precision_recall(precision_recall),
        loss=curves.loss(history),
        worst=worst,
        best=best,
    )
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
