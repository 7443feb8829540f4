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
        margin: shares of a box's sides that it is grown by on each side.
        score: least score hidden, or the name of a threshold of the model; None: its `promise` where it carries one,
            else its own.
        metadata: what is kept of EXIF blocks and of what a video says of itself: all, all but the place, or nothing.
    """

    style: Style = "blur"
    margin: float = 0.1
    score: float | str | None = None
    metadata: Metadata = "keep"
