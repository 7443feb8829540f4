"""What the service saw: scores, sizes, brightness, empties. Figures only, no picture is kept."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np

from plates.efficientdet.inference.prepare import Prepared
from plates.predict.result import Result

KEPT = 10_000
"""Newest photographs that the figures are of."""
EVERY = 4
"""Pixels of the network's input between two that brightness is measured at."""


class Seen:
    """The newest photographs, as numbers."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def note(self, result: Result, prepared: Prepared) -> None:
        """Remembers the best score and its box's share of the height, NaN where nothing was found; and brightness."""
        score = height = float("nan")
        if len(result):
            score, height = float(result.scores[0]), float(result.normalized[0, 3] - result.normalized[0, 1])
        rows, columns = (int(side / prepared.scale) for side in (result.picture.height, result.picture.width))
        brightness = float(prepared.pixels[: rows or 1 : EVERY, : columns or 1 : EVERY].mean())
        with self._lock:
            self._rows.append((score, height, brightness))

    def forget(self) -> None:
        """Begins anew: another model's scores are others."""
        with self._lock:
            self._rows.clear()

    def summary(self) -> dict[str, Any]:
        """Ready for JSON: how many, the share of empties, and the quartiles of each figure."""
        with self._lock:
            rows = np.array(self._rows).reshape(-1, 3)
        said: dict[str, Any] = {"photographs": len(rows)}
        if len(rows):
            said["empty"] = round(float(np.isnan(rows[:, 0]).mean()), 3)
        for name, column in zip(("score", "height", "brightness"), rows.T, strict=True):
            known = column[~np.isnan(column)]
            if len(known):
                said[name] = np.quantile(known, [0.25, 0.5, 0.75]).round(3).tolist()
        return said
