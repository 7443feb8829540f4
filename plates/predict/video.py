"""Frames of videos and cameras as pictures, each with its time. By PyAV, which brings FFmpeg's libraries with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from plates.errors import UserError
from plates.predict.picture import Picture

CAMERA = "/dev/video"
MISSING = 0.5
"""Seconds of a video, at the end, that may be announced and not there."""


class FramePicture(Picture):
    """A frame as a player shows it: turned as the video says. `number` counts from 1, `seconds` from the start."""

    def __init__(self, frame: Any, source: str, number: int) -> None:
        self.source, self.content, self.orientation = f"{source} frame {number}", None, 1
        self.frame, self.number, self.seconds = frame, number, float(frame.time or 0.0)
        self.quarters = frame.rotation // 90 % 4
        """Quarter turns, counter-clockwise, from the stored frame to the one that is shown."""
        self.width, self.height = (frame.width, frame.height)[:: -1 if self.quarters % 2 else 1]

    def reduced(self, ratio: int) -> np.ndarray:
        """As of any picture."""
        size = {"width": self.frame.width // ratio, "height": self.frame.height // ratio}
        pixels = self.frame.to_ndarray(format="rgb24", interpolation="AREA", **size)
        return np.ascontiguousarray(np.rot90(pixels, self.quarters)) if self.quarters else pixels


def pyav() -> Any:
    """PyAV; raises `UserError` if it is not installed."""
    try:
        import av
    except ImportError:
        raise UserError("videos and cameras need PyAV: pip install -e '.[video]'") from None
    av.logging.set_level(None)
    return av


def opened(source: str) -> Any:
    """The container of a file, an address or a camera; raises `UserError` if there is no video in it."""
    av = pyav()
    if not source.startswith(CAMERA) and "://" not in source and not Path(source).is_file():
        raise UserError(f"{source} cannot be read: no such file")
    try:
        container = av.open(source, format="v4l2" if source.startswith(CAMERA) else None)
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{source} is not a video that can be opened ({error.strerror or error})") from None
    if not container.streams.video:
        container.close()
        raise UserError(f"{source} has no video in it")
    return container


def frames(source: str) -> Iterator[FramePicture]:
    """Every frame of a video, one after the other.

    Raises:
        UserError: it cannot be opened, or ends inside a frame or before its announced end; the frames before that have
            then been given.
    """
    av = pyav()
    with opened(source) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        number, end, gap = 0, 0.0, 0.0
        try:
            for number, frame in enumerate(container.decode(stream), 1):
                picture = FramePicture(frame, source, number)
                end, gap = picture.seconds, max(gap, picture.seconds - end)
                yield picture
        except (av.FFmpegError, OSError) as error:
            raise UserError(
                f"{source} is damaged, was cut off or disconnected after frame {number:,} ({error.strerror or error})"
            ) from None
        announced = _announced(stream)
    if number == 0:
        raise UserError(f"{source} has no frame that can be decoded")
    if announced - end > MISSING + gap:
        raise UserError(f"{source} was cut off: it has {end:.1f} of {announced:.1f} seconds, {number:,} frames")


def _announced(stream: Any) -> float:
    """Seconds that a stream says it has; 0 if it does not say."""
    if stream.duration is not None:
        return float((stream.start_time or 0) + stream.duration) * float(stream.time_base)
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")  # Matroska's
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except (KeyError, ValueError):
        return 0.0
