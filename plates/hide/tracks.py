"""Tracks plates over the frames of a video, to hide them in frames where the detector missed them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plates.errors import UserError
from plates.hide.report import COVERED, covered

GAP = 1.0
"""Seconds between two sightings of a track that are filled."""

HOLD = 0.2
"""Seconds that the first and the last box of a track are held before and after it."""

OVERLAP = 0.3
"""Share of a track's first box that the plate in the frame before covers."""

ROUNDING = 1e-6
"""Seconds that two equal distances in time may differ by."""


@dataclass(frozen=True)
class Seen:
    """The detections in one frame.

    Attributes:
        seconds: from the start.
        xyxy: float32 [n, 4], pixels.
        scores: float32 [n].
        corners: float32 [n, 4, 2], x, y; None: of a model without them.
    """

    seconds: float
    xyxy: np.ndarray
    scores: np.ndarray
    corners: np.ndarray | None = None

    @property
    def rows(self) -> np.ndarray:
        """The boxes [n, 4], or the boxes and their corners [n, 12]."""
        return self.xyxy if self.corners is None else np.hstack([self.xyxy, self.corners.reshape(-1, 8)])


@dataclass(frozen=True)
class Place:
    """A plate to hide in a frame.

    Attributes:
        row: of `Seen.rows`, or between two of them.
        track: its number; under 0: of a plate that was seen once.
        filled: whether the plate was not found there, but before and after.
    """

    row: np.ndarray
    track: int
    filled: bool

    @property
    def box(self) -> np.ndarray:
        """xyxy in pixels."""
        return self.row[:4]


def places(frames: Sequence[Seen], least: float, rate: float) -> list[list[Place]]:
    """What to hide in each frame.

    Every detection of `least` or more; every weaker one that ByteTrack (arXiv:2110.06864) ties to a plate found in
    other frames; between two sightings up to `GAP` apart the box on the straight way from one to the other; and `HOLD`
    before the first and after the last.

    Args:
        frames: detections, the doubtful ones too.
        least: score of what is hidden in any case.
        rate: frames per second.
    """
    tracks = track(frames, least, rate)
    tied = {sighting for sightings in tracks.values() for sighting in sightings}
    alone = {
        (number, row)
        for number, seen in enumerate(frames)
        for row, score in enumerate(seen.scores)
        if score >= least and (number, row) not in tied
    }
    for sightings in tracks.values():  # ByteTrack gives a plate its number when it sees it again
        (frame, row) = sightings[0]
        box = frames[frame].xyxy[row]
        before = [
            one for one in alone if one[0] == frame - 1 and covered(box, frames[one[0]].xyxy[one[1], None]) > OVERLAP
        ]
        sightings[:0] = before[:1]
        alone -= {*before[:1]}
    tracks |= {-number: [sighting] for number, sighting in enumerate(sorted(alone), 1)}
    chosen: list[list[Place]] = [[] for _ in frames]
    for identity, sightings in tracks.items():
        for frame, row in sightings:
            chosen[frame].append(Place(frames[frame].rows[row], identity, False))
    for identity, sightings in tracks.items():
        for frame, between in _between(frames, sightings):
            place = Place(between, identity, True)
            found = np.array([other.box for other in chosen[frame] if not other.filled]).reshape(-1, 4)
            if covered(place.box, found) < COVERED:
                chosen[frame].append(place)
    return chosen


def track(frames: Sequence[Seen], least: float, rate: float) -> dict[int, list[tuple[int, int]]]:
    """Tracks by their number: the frames each was seen in, and the row of its detection there."""
    tracker, detections = _tracker(least, rate)
    tracks: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, seen in enumerate(frames):
        rows = np.arange(len(seen.scores))
        followed = tracker.update(
            detections(xyxy=seen.xyxy, confidence=seen.scores, data={"row": rows}), timestamp=seen.seconds
        )
        for identity, row in zip(followed.tracker_id, followed.data.get("row", []), strict=True):
            if identity >= 0:
                tracks[int(identity)].append((number, int(row)))
    return dict(tracks)


def _tracker(least: float, rate: float) -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of supervision, that OpenCV would be faster
            from supervision import Detections
            from trackers import ByteTrackTracker
    except ImportError:
        raise UserError("hiding plates in videos needs more packages: pip install -e '.[video]'") from None
    tracker = ByteTrackTracker(
        lost_track_buffer=round(GAP * 30),  # of 30 frames per second, whatever the rate
        frame_rate=rate,
        track_activation_threshold=least,
        high_conf_det_threshold=least,
        minimum_consecutive_frames=1,
    )
    return tracker, Detections


def _between(frames: Sequence[Seen], sightings: Sequence[tuple[int, int]]) -> Iterable[tuple[int, np.ndarray]]:
    """Frames in which a track was not seen, and its row there."""
    rows = [frames[frame].rows[row] for frame, row in sightings]
    times = [frames[frame].seconds for frame, _ in sightings]
    for (start, _), (end, _), first, last, row, other in zip(
        sightings, sightings[1:], times, times[1:], rows, rows[1:], strict=False
    ):
        if end - start > 1 and last - first <= GAP + ROUNDING:
            for frame in range(start + 1, end):
                share = (frames[frame].seconds - first) / (last - first)
                yield frame, row + np.float32(share) * (other - row)
        elif end - start > 1:
            yield from _held(frames, start, 1, row)
            yield from _held(frames, end, -1, other)
    yield from _held(frames, sightings[0][0], -1, rows[0])
    yield from _held(frames, sightings[-1][0], 1, rows[-1])


def _held(frames: Sequence[Seen], start: int, step: int, row: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    frame = start + step
    while 0 <= frame < len(frames) and abs(frames[frame].seconds - frames[start].seconds) <= HOLD + ROUNDING:
        yield frame, row
        frame += step
