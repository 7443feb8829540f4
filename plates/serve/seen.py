"""What the service saw, compared with training: scores, sizes, brightness, empties. Figures only, no pictures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plates.efficientdet.inference.prepare import Prepared
from plates.errors import UserError
from plates.files import write_json
from plates.predict.model import Model
from plates.predict.picture import Picture
from plates.predict.result import Result
from plates.splits.shift import compare

FILE = "service.json"
"""In a project's scratch folder: what its service saw last."""

KEPT = 10_000
"""Newest photographs that the figures are of."""
ENOUGH = 100
"""Photographs needed to report drift."""
EVERY = 4
"""Pixels of the network's input between two that brightness is measured at."""

WORDS = {
    "score": "best scores",
    "height": "heights of plates as shares of the photograph's",
    "brightness": "brightness",
}
COLUMNS = tuple(WORDS)
Row = tuple[float, float, float]


def figures(result: Result, prepared: Prepared) -> Row:
    """`COLUMNS` of one photograph: the best score and its box's share of the height, NaN if nothing was found."""
    score = height = float("nan")
    if len(result):
        score, height = float(result.scores[0]), float(result.normalized[0, 3] - result.normalized[0, 1])
    rows, columns = (int(side / prepared.scale) for side in (result.picture.height, result.picture.width))
    return score, height, float(prepared.pixels[: rows or 1 : EVERY, : columns or 1 : EVERY].mean())


def of_training(model: Model, jpegs: Iterable[bytes]) -> Iterator[Row]:
    """`figures` of training photographs; those that cannot be read are left out."""
    for jpeg in jpegs:
        try:
            picture = Picture(jpeg, "photograph")
            prepared = model.prepared(picture)
        except UserError:
            continue
        (result,) = model.answers([(picture, prepared)], model.threshold())
        yield figures(result, prepared)


class Seen:
    """The newest photographs, as numbers, and those of training that they are compared with."""

    def __init__(self) -> None:
        self._training: list[Row] = []
        self._rows: deque[Row] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._written: dict[str, Any] = {}

    def note(self, result: Result, prepared: Prepared) -> None:
        """Stores a photograph's figures."""
        row = figures(result, prepared)
        with self._lock:
            self._rows.append(row)

    def learn(self, training: Iterable[Row]) -> None:
        """Adds figures of training photographs."""
        self._training.extend(training)

    def forget(self) -> None:
        """Starts over: another model has different scores."""
        with self._lock:
            self._rows.clear()
        self._training.clear()

    def table(self) -> pd.DataFrame:
        """A row per photograph."""
        with self._lock:
            return _table(list(self._rows))

    def summary(self) -> dict[str, Any]:
        """Ready for JSON: how many, the share of empties, the quartiles of each figure, and drift in words."""
        seen = self.table()
        said: dict[str, Any] = {"photographs": len(seen)}
        if len(seen):
            said["empty"] = round(float(seen["score"].isna().mean()), 3)
        for name in COLUMNS:
            if len(known := seen[name].dropna()):
                said[name] = np.quantile(known, [0.25, 0.5, 0.75]).round(3).tolist()
        return said | {"drift": drift(_table(list(self._training)), seen)}

    def write(self, folder: Path, model: str) -> None:
        """Writes the summary for the check on the champion, if it has changed since the last time."""
        content = {"model": model, **self.summary()}
        if content != self._written:
            write_json(folder / FILE, content)
            self._written = content


def drift(training: pd.DataFrame, seen: pd.DataFrame) -> list[str] | None:
    """What is unlike training, a sentence each; None if too little is known of either."""
    if min(len(training), len(seen)) < ENOUGH:
        return None
    shifts = compare(training, seen, columns=COLUMNS)
    said = [
        f"{WORDS[row.column]}: {row.current} here, {row.baseline} in training (PSI {row.psi:.2f})"
        for row in shifts[shifts["shifted"]].itertuples()
    ]
    empty, before = (float(table["score"].isna().mean()) for table in (seen, training))
    noise = 4 * np.sqrt(max(before * (1 - before), 0.01) * (1 / len(seen) + 1 / len(training)))
    if abs(empty - before) > noise:
        said.append(f"photographs without a plate: {empty:.0%} here, {before:.0%} in training")
    return said


def _table(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=float)
