"""The evaluation as one HTML page: figures, curves, and the pictures that say why."""

from plates.efficientdet.evaluation.report.page import figures, write

__all__ = ["figures", "write"]
