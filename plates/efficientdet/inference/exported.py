"""Using an exported model on photographs: detections as plain Python values, and drawn into the picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as rle

from plates.efficientdet.inference.export import DESCRIPTION, SAVED_MODEL
from plates.errors import UserError
from plates.files import atomic

BATCH = 8
COLOUR = (255, 140, 0)
OPACITY = 110


class ExportedModel:
    """An exported folder, loaded.

    Raises:
        UserError: no SavedModel there.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / SAVED_MODEL / "saved_model.pb").is_file():
            raise UserError(f"No exported SavedModel in {folder}. Make one: `plates materialize exported_model`.")
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.label_map = {int(key): name for key, name in description["label_map"].items()}
        self.score_threshold: float = description["score_threshold"]
        self._loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
        self._serve = self._loaded.signatures["serving_default"]

    def predict(self, files: Sequence[Path], min_score: float = 0.0) -> Iterator[dict[str, Any]]:
        """What is in each file, in their order, as `json` takes it.

        Yields {"image", "detections": [{"class", "name", "score", "xmin", "ymin", "xmax", "ymax"}, ...]}, best first,
        in pixels of the file; scores under the exported threshold or `min_score` are left out. A model with masks adds
        "masks": [{"class", "name", "size", "counts"}, ...], one for each class found, as COCO's run lengths in pixels
        of the file (`pycocotools.mask.decode`). A head that the model does not have gives no entry.

        Raises:
            UserError: a file that cannot be read or is no JPEG.
        """
        remaining = iter(files)
        while batch := list(islice(remaining, BATCH)):
            found = {name: value.numpy() for name, value in self._serve(images=_read(batch)).items()}
            for index, file in enumerate(batch):
                prediction: dict[str, Any] = {"image": str(file)}
                if "boxes" in found:
                    prediction["detections"] = self._detections(found, index, min_score)
                if "masks" in found:
                    with Image.open(file) as image:
                        size = image.height, image.width
                    prediction["masks"] = self._masks(found["masks"][index], float(found["mask_scale"][index]), size)
                yield prediction

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


def draw(prediction: dict[str, Any], target: Path) -> None:
    """Writes the picture of a prediction with boxes, names, scores and masks, in the format of `target`'s suffix."""
    with Image.open(prediction["image"]) as opened:
        image = opened.convert("RGB")
    for mask in prediction.get("masks", []):
        shade = Image.fromarray(rle.decode({key: mask[key] for key in ("size", "counts")}) * OPACITY)
        image.paste(COLOUR, mask=shade)
    pen = ImageDraw.Draw(image)
    size = max(14, image.height // 40)
    font = ImageFont.load_default(size=size)
    for found in prediction.get("detections", []):
        corner = found["xmin"], found["ymin"]
        pen.rectangle((*corner, found["xmax"], found["ymax"]), outline=COLOUR, width=max(2, image.height // 300))
        label = f"{found['name']} {found['score']:.2f}"
        pen.text((corner[0], max(0, corner[1] - 1.2 * size)), label, fill=COLOUR, font=font)
    with atomic(target) as temporary:
        image.save(temporary)


def _read(files: Sequence[Path]) -> tf.Tensor:
    contents = []
    for file in files:
        try:
            content = file.read_bytes()
            tf.io.extract_jpeg_shape(content)
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}.") from error
        except tf.errors.InvalidArgumentError as error:
            raise UserError(f"{file} is no JPEG. Convert it, as the exported model takes JPEG files only.") from error
        contents.append(content)
    return tf.constant(contents)
