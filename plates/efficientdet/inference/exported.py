"""Using an exported model on photographs: detections as plain Python values, and drawn into the picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps
from pycocotools import mask as rle

from plates.columns import BOX
from plates.efficientdet.inference.export import DESCRIPTION, SAVED_MODEL
from plates.efficientdet.inference.photograph import UPRIGHT, Photograph
from plates.efficientdet.inference.predict import Prediction, predict
from plates.errors import UserError
from plates.files import atomic
from plates.pages import drawing


class ExportedModel:
    """An exported folder, loaded. Loading runs what is in the folder: load what you trust.

    Raises:
        UserError: no SavedModel there, or a description that is not one of an exported model.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not (folder / SAVED_MODEL / "saved_model.pb").is_file():
            raise UserError(f"No exported SavedModel in {folder}. Make one: `plates materialize exported_model`.")
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            self.label_map = {int(key): str(name) for key, name in description["label_map"].items()}
            self.score_threshold = float(description["score_threshold"])
            self._loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
            self._serve = self._loaded.signatures["serving_default"]
        except (OSError, ValueError, KeyError, AttributeError, TypeError, tf.errors.OpError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"The exported model in {folder} is damaged or not of this project ({type(error).__name__}: {reason}). "
                "Make it again: `plates materialize exported_model`."
            ) from error

    def predict(self, files: Iterable[str | Path], min_score: float = 0.0) -> Iterator[Prediction]:
        """Answers for each file, in their order: see `predict`."""
        return predict(files, lambda: self, min_score)

    def answer(self, photographs: Sequence[Photograph], min_score: float = 0.0) -> list[Prediction]:
        """What is in each photograph; all are computed at once.

        Raises:
            UserError: TensorFlow cannot compute one of them.
        """
        jpegs = tf.constant([photograph.jpeg for photograph in photographs])
        try:
            found = {name: value.numpy() for name, value in self._serve(images=jpegs).items()}
        except tf.errors.OpError as error:
            names = ", ".join(photograph.path for photograph in photographs)
            raise UserError(f"{names} cannot be computed: {_reason(error.message)}") from error
        answers = []
        for index, photograph in enumerate(photographs):
            prediction: Prediction = {
                "image": photograph.path,
                "width": photograph.width,
                "height": photograph.height,
            }
            if photograph.orientation != UPRIGHT:
                prediction["exif_orientation"] = photograph.orientation
            if "boxes" in found:
                prediction["detections"] = self._detections(found, index, min_score)
            if "masks" in found:
                size = photograph.height, photograph.width
                prediction["masks"] = self._masks(found["masks"][index], float(found["mask_scale"][index]), size)
            answers.append(prediction)
        return answers

    def _detections(self, found: dict[str, np.ndarray], index: int, min_score: float) -> list[dict[str, Any]]:
        count = int(found["valid_len"][index])
        rows = zip(
            found["classes"][index][:count].tolist(),
            found["scores"][index][:count].tolist(),
            found["boxes"][index][:count].tolist(),
            strict=True,
        )
        return [
            {"class": label, "name": self.label_map[label], "score": score}
            | dict(zip(("ymin", "xmin", "ymax", "xmax"), box, strict=True))
            for label, score, box in rows
            if score >= min_score
        ]

    def _masks(self, cells: np.ndarray, scale: float, size: tuple[int, int]) -> list[dict[str, Any]]:
        """The masks [h, w] of one picture in pixels of the file, `size` (height, width), of `scale` px a cell."""
        rows, columns = (
            np.minimum(((np.arange(side) + 0.5) / scale).astype(int), limit - 1)
            for side, limit in zip(size, cells.shape, strict=True)
        )
        mask = cells[rows][:, columns]
        masks = []
        for label in np.unique(mask[mask > 0]).tolist():
            encoded = rle.encode(np.asfortranarray(mask == label, np.uint8))
            name = self.label_map.get(label, str(label))
            masks.append(
                {"class": label, "name": name, "size": list(size), "counts": encoded["counts"].decode("ascii")}
            )
        return masks


def _reason(message: str) -> str:
    """The line of a message of TensorFlow that says what is wrong, without the nodes and traces around it."""
    around = ("Graph execution error", "Detected at node", "<stack traces")
    lines = [line.strip() for line in message.splitlines()]
    said = [line for line in lines if line and not line.startswith(around) and not line.startswith("[[")]
    return said[0] if said else "TensorFlow gives no reason"


def draw(prediction: dict[str, Any], target: Path) -> None:
    """Writes the picture of a prediction with boxes, names, scores and masks, in the format of `target`'s suffix."""
    with Image.open(prediction["image"]) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for mask in prediction.get("masks", []):
        drawing.shade(image, rle.decode({key: mask[key] for key in ("size", "counts")}))
    found = prediction.get("detections", [])
    boxes = np.array([[one[edge] for edge in BOX] for one in found]).reshape(-1, 4)
    labels = [f"{one['name']} {one['score']:.2f}" for one in found]
    with atomic(target) as temporary:
        drawing.draw(image, [drawing.Marks(boxes, drawing.ORANGE, labels)]).save(temporary)
