"""Every knob of the detector: typed, checked, explained. Imports pydantic and nothing heavier.

`None` means "the variant's own value" unless a description says otherwise. An unknown key is an error.
"""

from plates.efficientdet.config.image_size import image_size_advice, parse_image_size
from plates.efficientdet.config.model import ModelConfig
from plates.efficientdet.config.output import ExportConfig, NmsConfig
from plates.efficientdet.config.train import AugmentConfig, TrainConfig

__all__ = [
    "AugmentConfig",
    "ExportConfig",
    "ModelConfig",
    "NmsConfig",
    "TrainConfig",
    "image_size_advice",
    "parse_image_size",
]
