"""A model that answers: pictures in, results out, whatever the format of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from plates.efficientdet.inference.prepare import Prepared, prepare
from plates.efficientdet.inference.runtimes import Arrays, Network
from plates.efficientdet.inference.suppress import Detections, suppress
from plates.errors import UserError
from plates.predict.picture import Picture
from plates.predict.result import Result
from plates.predict.sources import OnError, expand

BATCH = 8
DECODERS = 2


class Model:
    """A detector, loaded. Make one by `plates.load`.

    Example:
        >>> model = plates.load(folder)
        >>> model.names, model.image_size
        (['plate'], (64, 64))
        >>> [result] = model.predict(photograph)
        >>> result.source == photograph, result.xyxy.shape[1]
        (True, 4)
    """

    def __init__(self, network: Network, path: Path) -> None:
        self._network = network
        self.description = network.description
        self.path = path
        self._decoders = ThreadPoolExecutor(DECODERS, "decoder")

    def __repr__(self) -> str:
        return f"<Model {self.description.network} ({self.format}) at {self.path}>"

    @property
    def format(self) -> str:
        """What runs: onnx, openvino, litert, saved_model, checkpoint."""
        return self._network.format

    @property
    def label_map(self) -> dict[int, str]:
        """Class id, from 1, to name."""
        return self.description.label_map

    @property
    def names(self) -> list[str]:
        """The names of the classes, by their ids."""
        return [self.label_map[key] for key in sorted(self.label_map)]

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels that pictures are scaled into."""
        return self.description.image_size

    @property
    def thresholds(self) -> dict[str, float]:
        """Least scores to act on by name: `default`, and those that an evaluation chose, such as `promise`."""
        return {"default": self.description.score_threshold, **self.description.thresholds}

    def threshold(self, score: float | str | None = None) -> float:
        """The least score to answer with: the number itself, the threshold of that name, or the model's own.

        Raises:
            UserError: not between 0 and 1, or a name that the model has no threshold of.
        """
        known = self.thresholds
        if isinstance(score, str) and score not in known:
            raise UserError(f"the model has no threshold {score!r}; it has {', '.join(known)}, or give a number")
        value = known[score or "default"] if score is None or isinstance(score, str) else float(score)
        if not 0 <= value <= 1:
            raise UserError(f"a score must be between 0 and 1; this one is {value:g}")
        if value < self.lowest:
            raise UserError(
                f"the NMS inside {self.path} returns scores from {self.lowest:g} up, but {value:g} is asked for: lower "
                "export.score_threshold and export again, or load another format"
            )
        return value

    @property
    def lowest(self) -> float:
        """The least score that can be asked for: over 0 if the file itself suppresses overlaps."""
        inside = self.description.nms_inside and self.format in ("onnx", "litert")
        return self.description.score_threshold if inside else 0.0

    def predict(
        self, images: Any, *, score: float | str | None = None, batch: int = BATCH, urls: bool = False
    ) -> list[Result]:
        """What is in each picture, in their order.

        Args:
            images: a path, folder (searched whole), pattern, video, camera, address, the bytes of a file, a Pillow
                image or an array, RGB; or many of them.
            score: least score answered, or the name of a threshold of the model; default: its own.
            batch: pictures at a time.
            urls: whether addresses may be fetched.

        Raises:
            UserError: a picture that is not there or cannot be decoded. `stream` can pass over those.
        """
        return list(self.stream(images, score=score, batch=batch, urls=urls))

    def stream(
        self,
        images: Any,
        *,
        score: float | str | None = None,
        batch: int = BATCH,
        urls: bool = False,
        on_error: OnError | None = None,
    ) -> Iterator[Result]:
        """As `predict`, one result after the other, for more pictures than fit into the memory.

        Args:
            images, score, batch, urls: as for `predict`.
            on_error: called with the name of a picture that cannot be used, and why; the others continue.
        """
        least = self.threshold(score)
        if batch < 1:
            raise UserError(f"batch is {batch}: at least one picture at a time")
        pictures = iter(expand(images, urls=urls, on_error=on_error))
        while chosen := list(islice(pictures, batch)):
            ready = []
            alone = len(chosen) == 1  # a thread would only cost time
            jobs = [
                partial(self.prepared, one) if alone else self._decoders.submit(self.prepared, one).result
                for one in chosen
            ]
            for picture, prepared in zip(chosen, jobs, strict=True):
                try:
                    ready.append((picture, prepared()))
                except UserError as error:
                    if on_error is None:
                        raise
                    on_error(picture.source, error)
            if ready:
                yield from self.answers(ready, least)

    def prepared(self, picture: Picture) -> Prepared:
        """The picture as the network takes it; raises `UserError` if it is damaged."""
        return prepare(picture.reduced, (picture.height, picture.width), self.image_size, self.description.mean_rgb)

    def answers(self, ready: Iterable[tuple[Picture, Prepared]], least: float) -> Iterator[Result]:
        """Runs the network on pictures, each as `prepared` gives it, in one batch; scores from `least` on."""
        pictures, prepared = zip(*ready, strict=True)
        found = self._network.run(np.stack([pixels for pixels, _ in prepared], dtype=np.float32))
        for index, (picture, (_, scale)) in enumerate(zip(pictures, prepared, strict=True)):
            boxes, scores, classes, corners = self._detections(found, index, least)
            masks = None
            if "masks" in found:
                cell = scale * self.description.mask_stride
                masks = _in_pixels(found["masks"][index], cell, (picture.height, picture.width))
            ends = np.array([picture.width, picture.height] * 2, np.float32)
            xyxy = np.minimum(boxes[:, [1, 0, 3, 2]] * np.float32(scale), ends)
            points = None if corners is None else corners[..., ::-1] * np.float32(scale)
            yield Result(picture, xyxy, scores, classes, self.label_map, masks, "scores" in found, points)

    def _detections(self, found: Arrays, index: int, least: float) -> Detections:
        if "scores" not in found:
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
        if "classes" in found:
            keep = (found["classes"][index] > 0) & (found["scores"][index] >= least)
            return Detections(**{name: found[name][index][keep] for name in Detections._fields if name in found})
        boxes, scores = found["boxes"][index], found["scores"][index]
        corners = found["corners"][index] if "corners" in found else None
        return suppress(boxes, scores, self.description.nms, self.image_size, least, corners)


def _in_pixels(cells: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
    """Probabilities [h, w, classes], `scale` pixels a cell, as uint8 classes in pixels of `size` (height, width)."""
    best = cells.argmax(axis=-1).astype(np.uint8)
    rows, columns = (
        np.minimum(((np.arange(side) + 0.5) / scale).astype(int), limit - 1)
        for side, limit in zip(size, best.shape, strict=True)
    )
    return best[rows][:, columns]
