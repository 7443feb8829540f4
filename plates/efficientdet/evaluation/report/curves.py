"""Curves of an evaluation, as matplotlib figures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from plates.pages import plots

WIDTH, HEIGHT = 5, 3.2
BLUE, AMBER, GREEN = plots.COLOURS[:3]


def precision_recall(curve: pd.DataFrame) -> Any:
    """Precision over recall at IoU 0.50; `curve` has the columns `recall` and `precision`."""
    figure, axis = _axes("Precision over recall at IoU 0.50", "recall", "precision")
    axis.plot(curve["recall"], curve["precision"], color=BLUE)
    axis.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return figure


def f1(curve: pd.DataFrame, thresholds: Mapping[str, float]) -> Any:
    """F1, precision and recall over the minimum score; `curve` has these columns, `thresholds` are by name."""
    figure, axis = _axes("F1, precision and recall by threshold", "minimum score", "")
    for name, colour in (("f1", BLUE), ("precision", AMBER), ("recall", GREEN)):
        axis.plot(curve["score"], curve[name], color=colour, label="F1" if name == "f1" else name)
    for name, threshold in thresholds.items():
        axis.axvline(threshold, color="#808080", linewidth=0.8, linestyle="--")
        axis.annotate(name, (threshold, 0.02), rotation=90, fontsize=8, ha="right")
    axis.set(xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(frameon=False, fontsize=8)
    return figure


def reliability(bins: pd.DataFrame) -> Any:
    """The share of correct detections over their mean score; `bins` has `score` and `right`."""
    figure, axis = _axes("Calibration of the scores", "score", "share correct at IoU 0.50")
    axis.plot([0, 1], [0, 1], color="#808080", linewidth=0.8, linestyle="--")
    axis.plot(bins["score"], bins["right"], color=BLUE, marker="o", markersize=4)
    axis.set(xlim=(0, 1), ylim=(0, 1.02))
    return figure


def loss(history: pd.DataFrame) -> Any:
    """The loss and the mAP on val over the steps; `history` has `step`, `loss` and `validation` (NaN between)."""
    figure, axis = _axes("Training", "step", "loss")
    axis.plot(history["step"], history["loss"], color=BLUE)
    plots.logarithmic(axis.yaxis)
    validated = history[history["validation"].notna()]
    if len(validated):
        beside = axis.twinx()
        beside.spines["top"].set_visible(False)
        beside.plot(validated["step"], validated["validation"], color=AMBER, marker="o", markersize=4)
        beside.set_ylabel("score on val", color=AMBER)
        beside.set_ylim(bottom=0)
    return figure


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    figure, (axis,) = plots.panels(title, WIDTH, HEIGHT)
    axis.set(xlabel=x, ylabel=y)
    axis.grid(color=plots.GRID)
    return figure, axis
