"""Photographs worth labelling next: doubtful to the model, unlike what it knows, and unlike each other."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plates.efficientdet.inference.prepare import Prepared
from plates.files import atomic, write_json
from plates.predict.formats import Coco, Names
from plates.predict.model import Model
from plates.predict.picture import Picture
from plates.predict.sources import OnError, expand, passing

CELLS = 8
LOW = 0.2
"""Share of the model's threshold from which on a detection raises a doubt."""
ANNOTATIONS = "annotations.json"


@dataclass(frozen=True)
class Candidate:
    """A photograph that may be labelled.

    Attributes:
        source: its path.
        size: (width, height) in pixels.
        found: `Result.to_coco` of what the model finds in it, from a low score on.
        doubt: 0 to 1, which it has where the best score is the model's threshold.
        look: float32 [L], its colours in `CELLS` x `CELLS` parts, 0 to 1.
    """

    source: str
    size: tuple[int, int]
    found: list[dict[str, Any]]
    doubt: float
    look: np.ndarray


def candidates(model: Model, images: Any, on_error: OnError | None = None) -> list[Candidate]:
    """Looks at each picture of `images`; `on_error` as for `Model.stream`."""
    least = model.threshold()
    found = []
    for picture in expand(images, on_error=on_error):
        with passing(picture.source, on_error):
            prepared = model.prepared(picture)
            (result,) = model.answers([(picture, prepared)], max(LOW * least, model.lowest))
            best = float(result.scores[0]) if len(result) else 0.0
            doubt = 1 - abs(best - least) / max(least, 1 - least)
            size = picture.width, picture.height
            found.append(Candidate(picture.source, size, result.to_coco(), doubt, look(picture, prepared)))
    return found


def look(picture: Picture, prepared: Prepared) -> np.ndarray:
    """`Candidate.look` of a picture."""
    height, width = (max(CELLS, int(side / prepared.scale)) for side in (picture.height, picture.width))
    rows, columns = (np.linspace(0, side, CELLS + 1).astype(int)[:-1] for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(prepared.pixels[:height, :width].astype(np.float32), rows), columns, axis=1)
    areas = np.diff([*rows, height])[:, None, None] * np.diff([*columns, width])[None, :, None]
    return (sums / areas / 255).ravel()


def choose(doubts: Sequence[float], looks: Sequence[np.ndarray], known: np.ndarray, count: int) -> list[int]:
    """Which candidates to label, the first one first.

    Each is the one with the most doubt and distance to what is known and chosen already (k-centre greedy: Sener and
    Savarese, ICLR 2018), distances as shares of the largest at the start.

    Args:
        doubts: [N], 0 to 1.
        looks: [N, L].
        known: [K, L], looks of training photographs; K may be 0.
        count: of photographs.
    """
    every = np.array(looks)
    middle = np.linalg.norm(every - every.mean(axis=0), axis=1)
    distance = np.full(len(every), np.inf)
    for one in known:
        distance = np.minimum(distance, np.linalg.norm(every - one, axis=1))
    largest = max(float((distance if len(known) else middle).max()), 1e-9)
    chosen: list[int] = []
    while len(chosen) < min(count, len(every)):
        worth = np.array(doubts) + (np.minimum(distance, largest) / largest)
        worth[chosen] = -np.inf
        best = int(worth.argmax())
        chosen.append(best)
        distance = np.minimum(distance, np.linalg.norm(every - every[best], axis=1))
    return chosen


def write(chosen: Sequence[Candidate], label_map: dict[int, str], folder: Path) -> None:
    """Writes copies of photographs, and what was found in them as COCO annotations to correct, into a new folder."""
    names, made = Names(folder), Coco(label_map)
    with atomic(folder) as temporary:
        temporary.mkdir()
        for one in chosen:
            name = names.path(one.source).name
            shutil.copyfile(one.source, temporary / name)
            made.add(name, one.size, one.found)
        write_json(temporary / ANNOTATIONS, made.content)


def learnt(model: Model, jpegs: Iterable[bytes]) -> np.ndarray:
    """Looks [K, L] of training photographs."""
    pictures = (Picture(jpeg, "photograph") for jpeg in jpegs)
    looks = [look(picture, model.prepared(picture)) for picture in pictures]
    return np.array(looks, np.float32).reshape(len(looks), 3 * CELLS * CELLS)
