"""Runs another tool's ONNX file like our own: NAME.json beside NAME.onnx says how to use it.

`docs/compare.md` shows one for each common form. Pictures come as for our own networks, scaled into the top left of the
input; post-processing is ours too, with hard NMS at `nms`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference.description import Description
from plates.errors import UserError

FORMS = {"xyxy": (1, 0, 3, 2), "yxyx": (0, 1, 2, 3)}
LEAST = 1e-4
"""Highest score of the rows with which other tools pad their output."""

Run = Callable[[np.ndarray], dict[str, np.ndarray]]


class Adapter(BaseModel):
    """The content of NAME.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label_map: dict[int, str] = Field(description="Class id, from 1 in the order of the scores, to name.")
    boxes: str = Field(description="The output with the boxes.")
    scores: str | None = Field(
        None, description="The output with the scores; none: they follow the four numbers of each box."
    )
    form: Literal["xyxy", "yxyx", "cxcywh"] = Field("xyxy", description="What the four numbers are.")
    unit: Literal["pixels", "shares"] = Field("pixels", description="Of the input's pixels, or of its sides.")
    row: Literal["scores", "score_class"] = Field(
        "scores", description="What follows a box: a score for each class, or one score and the class from 0."
    )
    nms: float | None = Field(0.5, description="IoU over which a box is dropped; null: the network does that itself.")
    image_size: tuple[int, int] | None = Field(None, description="(height, width), if the network leaves it open.")
    channels: Literal["rgb", "bgr"] = "rgb"
    divide_by: float = Field(255.0, description="What pixels from 0 to 255 are divided by, before mean and std.")
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fill: tuple[float, float, float] = Field((114.0, 114.0, 114.0), description="Colour beside the picture, RGB.")


def beside(path: Path) -> Path:
    """Where the adapter of a .onnx is."""
    return path.with_suffix(".json")


def open_foreign(path: Path, session: Any) -> tuple[Description, Run]:
    """The description of another tool's ONNX, and what runs it.

    Args:
        path: of the .onnx, with its adapter beside it.
        session: of onnxruntime.

    Raises:
        UserError: the adapter is invalid or names outputs that the network lacks; when run: the outputs' shapes differ.
    """
    file = beside(path)
    try:
        adapter = Adapter.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{file} does not say how to use {path.name} ({where}: {first['msg']}): docs/compare.md"
        ) from None
    (images, *others), outputs = session.get_inputs(), {output.name for output in session.get_outputs()}
    if others:
        raise UserError(
            f"{path} takes {1 + len(others)} inputs ({images.name}, {others[0].name}, ...), not pictures alone"
        )
    if missing := {adapter.boxes, adapter.scores} - {None} - outputs:
        raise UserError(
            f"{path} has no output {', '.join(sorted(map(str, missing)))}; it has {', '.join(sorted(outputs))}: {file}"
        )
    channels_first, size, one_at_a_time = _layout(path, images.shape, adapter)
    description = Description(
        network=path.stem,
        label_map=adapter.label_map,
        image_size=size,
        mean_rgb=adapter.fill,
        score_threshold=0.25,
        nms=NmsConfig(method="hard", iou_thresh=1.0 if adapter.nms is None else adapter.nms, score_thresh=LEAST),
        mask_stride=1,
    )
    names = [adapter.boxes] + ([adapter.scores] if adapter.scores else [])

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        pixels = pixels[..., ::-1] if adapter.channels == "bgr" else pixels
        pixels = (pixels / np.float32(adapter.divide_by) - np.array(adapter.mean)) / np.array(adapter.std)
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2) if channels_first else pixels, np.float32)
        batches = [pixels[[index]] for index in range(len(pixels))] if one_at_a_time else [pixels]
        answers = [session.run(names, {images.name: batch}) for batch in batches]
        found = [_answer(path, adapter, *outputs) for outputs in answers]
        boxes, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return {"boxes": _yxyx(boxes, adapter, size), "scores": scores}

    return description, run


def _layout(path: Path, shape: list[Any], adapter: Adapter) -> tuple[bool, tuple[int, int], bool]:
    """Whether channels come first, (height, width), and whether the network takes one picture at a time."""
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise UserError(f"{path} takes {shape}, but a detector takes [pictures, 3, height, width], or 3 at the end")
    first = shape[1] == 3
    height, width = (shape[2], shape[3]) if first else (shape[1], shape[2])
    if isinstance(height, int) and isinstance(width, int):
        return first, (height, width), shape[0] == 1
    if adapter.image_size is None:
        raise UserError(f"{path} takes pictures of any size: give image_size in {beside(path)}")
    return first, adapter.image_size, shape[0] == 1


def _answer(path: Path, adapter: Adapter, boxes: np.ndarray, scores: np.ndarray | None = None) -> list[np.ndarray]:
    """`boxes` [B, A, 4] and `scores` [B, A, C] from what came out."""
    classes = len(adapter.label_map)
    if scores is None:
        wide = 4 + (classes if adapter.row == "scores" else 2)
        if boxes.ndim == 3 and boxes.shape[2] != wide and boxes.shape[1] == wide:
            boxes = boxes.transpose(0, 2, 1)
        if boxes.ndim != 3 or boxes.shape[2] != wide:
            raise UserError(
                f"{path} returns {list(boxes.shape)} in {adapter.boxes}, but {beside(path)} says [pictures, "
                f"boxes, {wide}]: 4 numbers of a box and {wide - 4} after them, as its label_map and row say"
            )
        boxes, scores = boxes[..., :4], boxes[..., 4:]
    scores = scores[..., None] if scores.ndim == 2 else scores
    if adapter.row == "score_class" and scores.shape[-1] == 2:
        scores = scores[..., :1] * (scores[..., 1:].round() == np.arange(classes))
    if boxes.shape != (*scores.shape[:2], 4) or scores.shape[2] != classes:
        raise UserError(
            f"{path} returns boxes {list(boxes.shape)} and scores {list(scores.shape)}, but {beside(path)} says "
            f"[pictures, boxes, 4] and [pictures, boxes, {classes}]"
        )
    return [boxes.astype(np.float32), scores.astype(np.float32)]


def _yxyx(boxes: np.ndarray, adapter: Adapter, size: tuple[int, int]) -> np.ndarray:
    """In pixels of the input."""
    if adapter.form == "cxcywh":
        centre, half = boxes[..., :2], boxes[..., 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=-1)
    boxes = boxes[..., FORMS["xyxy" if adapter.form == "cxcywh" else adapter.form]]
    return boxes * np.array([*size, *size], np.float32) if adapter.unit == "shares" else boxes
