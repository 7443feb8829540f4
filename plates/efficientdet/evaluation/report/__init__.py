"""The evaluation as one HTML page: figures, curves, and the pictures that say why."""

from plates.efficientdet.evaluation.report.page import write

__all__ = ["write"]
