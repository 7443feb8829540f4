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
        description="hard: IoU over which a box is dropped. None: 0.5. gaussian does not use it.",
    )
    score_thresh: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Lowest score kept. 0 (0.001 for gaussian) for mAP, which wants them all; higher is faster.",
    )
    sigma: float | None = Field(
        None,
        gt=0,
        description="gaussian: width of the penalty in IoU. None: 0.5. Lower it where plates never overlap.",
    )
    max_nms_inputs: int = Field(
        0,
        ge=0,
        description="Best (anchor, class) pairs that enter NMS. 0: each anchor once, with its best class.",
    )
    max_output_size: int = Field(100, ge=1, description="Boxes an image at most.")
    per_class: bool = Field(
        False,
        description="NMS in each class on its own. Turn it on where objects of different classes overlap.",
    )

    voting: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Each box that is kept becomes the mean of the candidates of its class that overlap it by more "
        "than this IoU, weighted by their squared scores: tighter boxes without training. null: as the reference.",
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
        description="One or more with commas between: saved_model has pre- and post-processing inside; onnx and "
        "openvino are the fastest on CPU servers and start without TensorFlow; litert is for phones. litert_float16, "
        "litert_int8 and openvino_int8 are made of fewer bits, and kept where that pays.",
    )
    max_loss: float = Field(
        0.005,
        ge=0,
        le=1,
        description="Validation mAP that a format of fewer bits may lose. One that loses more, or is not faster here "
        "than its float one, is left out.",
    )
    nms_inside: bool = Field(
        False,
        description="Suppress overlapping boxes inside the onnx and litert files, which then answer with detections. "
        "Turn it on for programs that do without plates.",
    )
    score_threshold: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Lowest score that the exported model answers with. Lower it if a missed plate costs "
        "more than a false one.",
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
