"""Puts the page together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from plates.efficientdet.evaluation.report import curves
from plates.efficientdet.evaluation.report.advice import advice
from plates.pages import page, plots
from plates.pages.pictures import Picture


def figures(tables: Mapping[str, pd.DataFrame], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """The matplotlib figures of an evaluation, by title.

    Args:
        tables: as `curves` draws them: `precision_recall`, `f1` and `reliability`, empty if there are no boxes, and
            `loss` if the training is known.
        thresholds: by name.
    """
    of_boxes = {}
    if len(tables["f1"]):
        of_boxes = {
            "precision over recall": curves.precision_recall(tables["precision_recall"]),
            "F1 over the least score": curves.f1(tables["f1"], thresholds),
            "reliability": curves.reliability(tables["reliability"]),
        }
    return of_boxes | ({"training": curves.loss(tables["loss"])} if "loss" in tables else {})


def write(
    path: Path,
    *,
    title: str,
    metrics: Mapping[str, Any],
    published: Mapping[str, Mapping[str, float]],
    facts: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    thresholds: Mapping[str, float],
    worst: Sequence[Picture],
    why: Mapping[str, Any] | None = None,
) -> None:
    """Writes the report as one self-contained file.

    Args:
        path: of the page.
        title: its heading.
        metrics: the content of `metrics/evaluation.json`; what the model has no head for is absent.
        published: scores of other detectors on CCPD's subsets, `all` among them, by detector; none for other data.
        facts: where the figures came from.
        tables: of `figures`.
        thresholds: by name.
        worst: photographs.
        why: the verdict on the score, as JSON: `answer`, and `findings` with their `cause`, `sentence`, `speaks_for`,
            `against`, `turn` and `sure`; None: nobody asked.
    """
    with plots.text_as_svg():
        svgs = [plots.svg(figure) for figure in figures(tables, thresholds).values()]
    page.write(
        path,
        "plates.efficientdet.evaluation.report",
        "page.html.j2",
        title=title,
        metrics=metrics,
        why=why,
        next_step=advice(metrics) if "mAP" in metrics else None,
        published=published,
        facts=facts,
        curves=svgs,
        worst=worst,
    )
