"""Curves of an evaluation, as matplotlib figures."""

from typing import Any

import pandas as pd

from plates.pages import plots

WIDTH, HEIGHT = 5, 3.2
BLUE, AMBER = plots.COLOURS[:2]


def precision_recall(curve: pd.DataFrame) -> Any:
    """Precision over recall at IoU 0.50; `curve` has the columns `recall` and `precision`."""
    figure, (axis,) = plots.panels("Precision over recall at IoU 0.50", WIDTH, HEIGHT)
    axis.plot(curve["recall"], curve["precision"], color=BLUE)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axis.grid(color=plots.GRID)
    return figure


def loss(history: pd.DataFrame) -> Any:
    """The loss and the learning rate over the steps; `history` has `step`, `loss` and `learning_rate`."""
    figure, (axis,) = plots.panels("Training", WIDTH, HEIGHT)
    axis.plot(history["step"], history["loss"], color=BLUE)
    axis.set(xlabel="step", ylabel="loss")
    plots.logarithmic(axis.yaxis)
    axis.grid(color=plots.GRID)
    rate = axis.twinx()
    rate.spines["top"].set_visible(False)
    rate.plot(history["step"], history["learning_rate"], color=AMBER, linewidth=0.8)
    rate.set_ylabel("learning rate", color=AMBER)
    rate.yaxis.set_major_formatter("{x:g}")
    return figure
