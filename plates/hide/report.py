"""What was hidden, and what a person should check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plates.files import as_text
from plates.pages import page
from plates.pages.drawing import ORANGE, Marks
from plates.pages.pictures import Picture, from_array

COVERED = 0.8
SHOWN = 60
"""Doubts of one photograph or video that are pictures on the page; all of them are counted."""
AROUND = 4.0
"""Times the size of a box that its picture shows."""
HEIGHT = 200

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Doubt:
    """A place to check.

    Attributes:
        frame: from 1; 0: of a photograph.
        seconds: from the start of a video.
        box: xyxy in pixels.
        reason: why.
    """

    frame: int
    seconds: float
    box: Box
    reason: str

    def picture(self, pixels: np.ndarray) -> Picture:
        """The place and what is around it; `pixels` uint8 [H, W, 3] of the original."""
        xmin, ymin, xmax, ymax = self.box
        reach = AROUND / 2 * max(xmax - xmin, ymax - ymin)
        left, top = max(0, int((xmin + xmax) / 2 - reach)), max(0, int((ymin + ymax) / 2 - reach))
        right, bottom = int((xmin + xmax) / 2 + reach) + 1, int((ymin + ymax) / 2 + reach) + 1
        marks = Marks(np.array([self.box]) - [left, top, left, top], ORANGE)
        where = f"frame {self.frame:,}, {self.seconds:.1f} s: " if self.frame else ""
        return from_array(np.ascontiguousarray(pixels[top:bottom, left:right]), [marks], where + self.reason, HEIGHT)


def weak(
    xyxy: np.ndarray, scores: np.ndarray, least: float, hidden: np.ndarray, frame: int = 0, seconds: float = 0.0
) -> list[Doubt]:
    """The detections below the threshold that are covered by hidden boxes to less than `COVERED`."""
    return [
        Doubt(frame, seconds, tuple(box.tolist()), f"a plate with a score of {score:.2f} was not hidden")
        for box, score in zip(xyxy, scores, strict=True)
        if score < least and covered(box, hidden) < COVERED
    ]


def covered(box: np.ndarray, others: np.ndarray) -> float:
    """The largest share of `box` [4] that one of `others` [n, 4] covers; xyxy."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    return float((np.prod(np.maximum(high - low, 0), axis=1) / np.prod(box[2:] - box[:2])).max(initial=0))


@dataclass
class Hidden:
    """The result for one photograph or video.

    Attributes:
        source: it.
        target: what was written.
        plates: boxes hidden in a photograph; in a video tracks, and detections that belong to none.
        frames: of a video; 0: a photograph.
        filled: boxes hidden in frames where the plate was not found, but was found before and after.
        left_out: what `source` has and `target` does not.
        doubts: places to check.
        pictures: of at most `SHOWN` of them.
    """

    source: str
    target: str
    plates: int = 0
    frames: int = 0
    filled: int = 0
    left_out: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        said: dict[str, Any] = {name: as_text(getattr(self, name)) for name in ("source", "target")}
        said |= {name: getattr(self, name) for name in ("plates", "frames", "filled", "left_out")}
        rounded = {"seconds": 2, "box": 1}
        doubts = [
            {name: np.round(value, rounded[name]).tolist() if name in rounded else value for name, value in one.items()}
            for one in map(asdict, self.doubts)
        ]
        return said | {"doubts": doubts}


def chosen(doubts: Sequence[Doubt]) -> list[Doubt]:
    """At most `SHOWN` of the doubts, evenly over them."""
    places = np.unique(np.linspace(0, len(doubts) - 1, min(SHOWN, len(doubts))).round().astype(int))
    return [doubts[place] for place in places]


def write_page(path: Path, hidden: Iterable[Hidden]) -> None:
    """Writes the page of doubtful places, one HTML file. It shows plates: only for people who may see them."""
    page.write(path, "plates.hide", "doubts.html.j2", title="Plates to check", hidden=list(hidden))
