"""What a model found in one picture, in every form that people ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from plates.ccpd.geometry import hull, iou
from plates.columns import BOX, CORNERS
from plates.files import as_text
from plates.pages import drawing
from plates.predict.cover import Style, cover
from plates.predict.picture import Picture

if TYPE_CHECKING:
    import pandas as pd
    import supervision

TRUSTED = 0.5
"""IoU with their box from which corners are hidden; CCPD's labels have at least that."""


@dataclass(frozen=True)
class Result:
    """The detections in one picture, best first.

    picture: where they are. xyxy: float32 [n, 4], xmin, ymin, xmax, ymax in pixels of the upright picture. scores:
    float32 [n], 0 to 1. classes: int32 [n], ids of the label map, from 1. label_map: id to name. masks: uint8 [h, w],
    class of each pixel, 0 the background; None if the model has no such head. detects: whether it has the one for
    boxes. corners: float32 [n, 4, 2], x, y of each plate's bottom right, bottom left, top left and top right in the
    same pixels, which may be outside the picture; None if the model has no such head.
    """

    picture: Picture
    xyxy: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    label_map: dict[int, str]
    masks: np.ndarray | None = None
    detects: bool = True
    corners: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {score:.2f}" for name, score in zip(self.names, self.scores, strict=True))
        return f"<Result {self.picture.source}: {found or 'nothing'}>"

    @property
    def source(self) -> str:
        """What the picture is called: its path, address, or number."""
        return self.picture.source

    @property
    def names(self) -> list[str]:
        """The name of each detection's class."""
        return [self.label_map.get(label, str(label)) for label in self.classes.tolist()]

    @property
    def normalized(self) -> np.ndarray:
        """float32 [n, 4]: `xyxy` as shares of the picture's width and height."""
        width, height = self.picture.width, self.picture.height
        return self.xyxy / np.array([width, height, width, height], np.float32)

    def over(self, score: float) -> Result:
        """The detections with at least this score."""
        keep = self.scores >= score
        corners = None if self.corners is None else self.corners[keep]
        return replace(
            self, xyxy=self.xyxy[keep], scores=self.scores[keep], classes=self.classes[keep], corners=corners
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it, in tenths of a pixel and thousandths of a score: what they are worth.

        `exif_orientation` is there where the stored picture was turned; a head that the model does not have gives no
        entry.
        """
        found: dict[str, Any] = {
            "image": as_text(self.source),
            "width": self.picture.width,
            "height": self.picture.height,
        }
        if self.picture.turned:
            found["exif_orientation"] = self.picture.orientation
        if self.detects:
            found["detections"] = self._rows()
        if self.masks is not None:
            found["masks"] = self._run_lengths(self.masks)
        return found

    def to_coco(self, image_id: int = 1) -> list[dict[str, Any]]:
        """COCO's results format: `bbox` is x, y, width, height in pixels; with `corners`, also as `segmentation`."""
        return [
            {
                "image_id": image_id,
                "category_id": found["class"],
                "bbox": [
                    found["xmin"],
                    found["ymin"],
                    round(found["xmax"] - found["xmin"], 1),
                    round(found["ymax"] - found["ymin"], 1),
                ],
                "score": found["score"],
            }
            | ({"segmentation": [found["corners"]], "corners": found["corners"]} if "corners" in found else {})
            for found in self._rows()
        ]

    def to_pandas(self) -> pd.DataFrame:
        """One row per detection: image, class, name, score, xmin, ymin, xmax, ymax, and `rb_x` to `rt_y` of corners."""
        import pandas as pd

        columns = {"class": self.classes, "name": self.names, "score": self.scores}
        edges = dict(zip(BOX, self.xyxy.T, strict=True))
        if self.corners is not None:
            edges |= zip(CORNERS, self.corners.reshape(-1, 8).T, strict=True)
        return pd.DataFrame({"image": [as_text(self.source)] * len(self), **columns, **edges})

    def to_supervision(self) -> supervision.Detections:
        """Detections of Roboflow's supervision, for its annotators, trackers and zones. Needs the extra `video`."""
        import supervision

        return supervision.Detections(
            xyxy=self.xyxy.astype(np.float32),
            confidence=self.scores.astype(np.float32),
            class_id=self.classes.astype(int),
            data={"class_name": np.array(self.names, dtype=str)},
        )

    def draw(self) -> Image.Image:
        """The picture with boxes, names, scores, corners and masks drawn in."""
        labels = [f"{name} {score:.2f}" for name, score in zip(self.names, self.scores, strict=True)]
        image = self.picture.image
        if self.masks is not None:
            drawing.shade(image, self.masks)
        marks = [drawing.Marks(self.xyxy, drawing.ORANGE, labels)]
        if self.corners is not None:
            marks.append(drawing.Marks(self.corners, drawing.ORANGE))
        return drawing.draw(image, marks)

    def crop(self, margin: float = 0.0) -> list[Image.Image]:
        """Each detection cut out, with `margin` shares of its width and height more on every side."""
        image = self.picture.image
        return [image.crop(box) for box in grown(self.xyxy, margin, image.size).tolist()]

    def hide(self, style: Style = "blur", margin: float = 0.1) -> Image.Image:
        """The picture with every detection made unreadable: its box, or its corners if they are known.

        `margin` as in `crop`.
        """
        pixels = self.picture.pixels.copy()
        boxes, outlines = to_hide(self.xyxy, self.corners, margin, (self.picture.width, self.picture.height))
        cover(pixels, boxes, style, outlines=outlines)
        return Image.fromarray(pixels)

    def _rows(self) -> list[dict[str, Any]]:
        columns = self.classes.tolist(), self.names, self.scores.tolist(), self.xyxy.tolist()
        rows = [
            {"class": label, "name": name, "score": round(score, 3)}
            | {edge: round(value, 1) for edge, value in zip(BOX, box, strict=True)}
            for label, name, score, box in zip(*columns, strict=True)
        ]
        if self.corners is not None:
            for row, points in zip(rows, self.corners.reshape(-1, 8).tolist(), strict=True):
                row["corners"] = [round(value, 1) for value in points]
        return rows

    def _run_lengths(self, masks: np.ndarray) -> list[dict[str, Any]]:
        """A mask for each class found, in COCO's run lengths."""
        from pycocotools import mask as rle

        found = []
        for label in np.unique(masks[masks > 0]).tolist():
            encoded = rle.encode(np.asfortranarray(masks == label, np.uint8))
            name, counts = self.label_map.get(label, str(label)), encoded["counts"].decode("ascii")
            found.append({"class": label, "name": name, "size": list(masks.shape), "counts": counts})
        return found


def to_hide(
    xyxy: np.ndarray, corners: np.ndarray | None, margin: float, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray | None]:
    """What `cover` takes: boxes int64 [n, 4] inside `size` (width, height), and the outlines [n, 4, 2] in them.

    Both are grown by `margin` shares of their sides. Corners that are not where their box is (IoU of the box around
    them under `TRUSTED`) are replaced by the box's: a plate must not stay readable because its corners are wrong.
    """
    if corners is None:
        return grown(xyxy, margin, size), None
    trusted = iou(xyxy, hull(corners)) >= TRUSTED
    outlines = np.where(trusted[:, None, None], corners, xyxy[:, [2, 3, 0, 3, 0, 1, 2, 1]].reshape(-1, 4, 2))
    centres = outlines.mean(axis=1, keepdims=True)
    outlines = centres + (1 + 2 * margin) * (outlines - centres)
    return grown(hull(outlines), 0.0, size), outlines


def grown(xyxy: np.ndarray, margin: float, size: tuple[int, int]) -> np.ndarray:
    """Boxes [n, 4] grown by `margin` shares of their sides: int64, inside `size` (width, height), none empty."""
    sides = np.concatenate([xyxy[:, 2:] - xyxy[:, :2]] * 2, axis=1) * np.array([-1, -1, 1, 1])
    boxes = xyxy + margin * sides
    boxes = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    limits = np.array(size * 2)
    low, high = np.array([0, 0, 1, 1]), limits - np.array([1, 1, 0, 0])
    return boxes.clip(low, high).astype(np.int64)
