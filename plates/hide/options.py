"""How plates are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plates.predict.cover import Style

Metadata = Literal["keep", "no-gps", "none"]


@dataclass(frozen=True)
class Options:
    """What is hidden, and how.

    Attributes:
        style: blur, pixelate or fill.
        margin: how much a box is grown on each side, as a share of its sides.
        score: minimum score hidden, or the name of a threshold of the model; None: its `promise` if it has one, else
        its own.
        metadata: what is kept of EXIF blocks and a video's metadata: all, all but the location, or nothing.
    """

    style: Style = "blur"
    margin: float = 0.1
    score: float | str | None = None
    metadata: Metadata = "keep"
