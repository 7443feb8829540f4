"""Curves of an evaluation as SVG."""

import base64
import io

import pandas as pd


def precision_recall(curve: pd.DataFrame) -> str:
    """Precision over recall at IoU 0.50; `curve` has the columns `recall` and `precision`."""
    figure, axis = _axes("recall", "precision")
    axis.plot(curve["recall"], curve["precision"], color="#2563eb")
    axis.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return _svg(figure)


def loss(history: pd.DataFrame) -> str:
    """The loss and the learning rate over the steps; `history` has `step`, `loss` and `learning_rate`."""
    figure, axis = _axes("step", "loss")
    axis.plot(history["step"], history["loss"], color="#2563eb")
    axis.set_yscale("log")
    rate = axis.twinx()
    rate.plot(history["step"], history["learning_rate"], color="#f97316", linewidth=0.8)
    rate.set_ylabel("learning rate", color="#f97316")
    return _svg(figure)


def data_uri(svg: str) -> str:
    """The SVG as a data URI, for Markdown."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _axes(x: str, y: str):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.set(xlabel=x, ylabel=y)
    axis.grid(alpha=0.3)
    return figure, axis


def _svg(figure) -> str:
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "plates"}):  # the same curves give the same bytes
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
