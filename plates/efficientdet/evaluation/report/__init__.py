"""The evaluation as one HTML page: figures, curves, and pictures that explain them."""

from plates.efficientdet.evaluation.report.page import figures, write

__all__ = ["figures", "write"]
