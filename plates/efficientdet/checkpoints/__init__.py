"""Weights from elsewhere: published detectors, Keras's ImageNet backbones, our own files; and what matched."""

from plates.efficientdet.checkpoints.load import load_pretrained
from plates.efficientdet.checkpoints.report import LoadReport
from plates.efficientdet.checkpoints.weights_file import WeightsFile, inspect, read

__all__ = ["LoadReport", "WeightsFile", "inspect", "load_pretrained", "read"]
