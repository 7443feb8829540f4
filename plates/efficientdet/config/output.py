"""From logits to boxes, and the formats a model is exported in."""

import math
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from plates.efficientdet.config.base import WORDS, Section

SOFT_NMS_FLOOR = 0.001


class NmsConfig(Section):
    """Post-processing, the same in evaluation and in the exported model (`nms_configs` in the reference)."""

    method: Literal["gaussian", "hard"] = Field(
        "gaussian",
        description="gaussian lowers the scores of overlapping boxes (soft NMS), hard drops them and is faster.",
    )
    iou_thresh: float | None = Field(
        None,
        gt=0,
        le=1,
        description="hard: IoU above which a box is dropped. null: 0.5. gaussian does not use it.",
    )
    score_thresh: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Lowest score kept. 0 (0.001 for gaussian) for mAP, which needs all detections; higher is faster.",
    )
    sigma: float | None = Field(
        None,
        gt=0,
        description="gaussian: width of the penalty in IoU. null: 0.5. Lower it if plates never overlap.",
    )
    max_nms_inputs: int = Field(
        0,
        ge=0,
        description="Number of best (anchor, class) pairs that enter NMS. 0: each anchor once, with its best class.",
    )
    max_output_size: int = Field(100, ge=1, description="Maximum number of boxes per image.")
    per_class: bool = Field(
        False,
        description="Run NMS separately for each class. Turn it on if objects of different classes overlap.",
    )

    voting: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Each kept box becomes the mean of the candidates of its class that overlap it by more than "
        "this IoU, weighted by their squared scores: tighter boxes without retraining. 0: off, as in the reference. "
        "null: 0.65 for efficientdet-tiny's own backbone, 0 for the others.",
    )

    @property
    def floor(self) -> float:
        """Scores have to be over this to be kept."""
        return self.score_thresh or (SOFT_NMS_FLOOR if self.method == "gaussian" else -math.inf)


Float = Literal["saved_model", "onnx", "litert", "openvino"]
FewerBits = Literal["litert_float16", "litert_int8", "openvino_int8"]
Exported = Float | FewerBits


class ExportConfig(Section):
    """What is exported."""

    formats: Annotated[list[Exported], WORDS] = Field(
        ["saved_model", "onnx"],
        min_length=1,
        description="One or more, separated by commas: saved_model includes pre- and post-processing; onnx and "
        "openvino are the fastest on CPU servers and start without TensorFlow; litert is for phones. "
        "litert_float16, litert_int8 and openvino_int8 are quantised, and kept only if that pays off.",
    )
    max_loss: float = Field(
        0.005,
        ge=0,
        le=1,
        description="Validation mAP that a quantised format may lose. One that loses more, or is not faster on this "
        "machine than its float version, is left out.",
    )
    nms_inside: bool = Field(
        False,
        description="Suppress overlapping boxes inside the onnx and litert files, which then return final "
        "detections. Turn it on for programs that run without plates.",
    )
    score_threshold: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Lowest score that the exported model returns. Lower it if a missed plate costs more than a "
        "false one.",
    )

    @property
    def whole(self) -> list[Float]:
        """The formats asked for that are the checkpoint's own numbers."""
        return [name for name in get_args(Float) if name in self.formats]

    @property
    def fewer_bits(self) -> list[FewerBits]:
        """The formats asked for that are kept where they pay."""
        return [name for name in get_args(FewerBits) if name in self.formats]

    @model_validator(mode="after")
    def _one_is_certain(self) -> Self:
        if not self.whole:
            raise ValueError(f"a format of fewer bits may be refused: name one of {', '.join(get_args(Float))} too")
        return self
