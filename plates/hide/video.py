"""Hides the plates of one video: a first pass to find and track them, a second to write it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from plates.errors import UserError
from plates.files import atomic
from plates.hide.options import Options
from plates.hide.photograph import DOUBTFUL, threshold
from plates.hide.report import Doubt, Hidden, chosen, weak
from plates.hide.tracks import Place, Seen, places
from plates.predict.cover import FILL, Style, cover
from plates.predict.model import Model
from plates.predict.result import to_hide
from plates.predict.video import FramePicture, frames, opened, pyav

H264 = {"crf": "18", "preset": "superfast"}
CODECS = {
    ".webm": ("libvpx-vp9", {"crf": "24", "b": "0", "cpu-used": "5", "row-mt": "1"}),
    ".avi": ("libx264", H264 | {"bf": "0"}),  # AVI stores frames in one order only
}
USUAL = ("libx264", H264)
PLACE_TAGS = ("location", "gps")
NEUTRAL = 128  # chroma without colour

Progress = Callable[[int, int], None]


def hide_video(
    model: Model, source: Path, target: Path, options: Options, progress: Progress = lambda done, total: None
) -> Hidden:
    """Writes `source` with its plates hidden to `target`, a file of the same kind.

    Sound and subtitles are copied as they are, every frame keeps its time, and a turned video is written upright.
    Streams of other data (positions, telemetry) are left out.

    Args:
        model: finds the plates.
        source: the video.
        target: where to write; replaces an existing file once everything is written.
        options: how.
        progress: called with frames done, of both times through the video, and the estimated number of all.

    Raises:
        UserError: it cannot be read, was cut off, or its frames are not in the order of their times. Nothing is written
            then.
    """
    least = threshold(model, options)
    seen, rate = _found(model, source, max(DOUBTFUL * least, model.lowest), progress)
    hidden = places(seen, least, rate)
    report = Hidden(str(source), str(target), frames=len(seen))
    report.filled = sum(place.filled for frame in hidden for place in frame)
    report.plates = len({place.track for frame in hidden for place in frame})
    report.doubts = _doubts(seen, hidden, least)
    shown: dict[int, list[Doubt]] = defaultdict(list)
    for doubt in chosen(report.doubts):
        shown[doubt.frame].append(doubt)

    def look(number: int, picture: FramePicture) -> None:
        report.pictures += [doubt.picture(picture.pixels) for doubt in shown.get(number, ())]

    with atomic(target) as temporary:
        report.left_out = _write(source, temporary, hidden, options, progress, look)
    return report


def _found(model: Model, source: Path, least: float, progress: Progress) -> tuple[list[Seen], float]:
    """The detections of every frame, and frames per second."""
    with opened(str(source)) as container:
        stream = container.streams.video[0]
        rate, total = float(stream.average_rate or 25), 2 * stream.frames
    seen: list[Seen] = []
    for result in model.stream(frames(str(source)), score=least):
        picture = result.picture
        assert isinstance(picture, FramePicture)
        if seen and picture.seconds < seen[-1].seconds:
            raise UserError(
                f"{picture.source}: its time, {picture.seconds:.3f} s, is before the previous frame's, as in AVI with "
                f"H.264. Write the times anew: ffmpeg -fflags +genpts -i {source.name} {source.stem}.mp4"
            )
        seen.append(Seen(picture.seconds, result.xyxy, result.scores, result.corners))
        progress(len(seen), total)
    return seen, rate


def _doubts(seen: list[Seen], hidden: list[list[Place]], least: float) -> list[Doubt]:
    found = []
    for number, (frame, covered) in enumerate(zip(seen, hidden, strict=True), 1):
        boxes = np.array([place.box for place in covered]).reshape(-1, 4)
        found += weak(frame.xyxy, frame.scores, least, boxes, number, frame.seconds)
        found += [
            Doubt(number, frame.seconds, tuple(place.box.tolist()), "not found here; hidden by the frames around it")
            for place in covered
            if place.filled
        ]
    return found


def _write(
    source: Path,
    target: Path,
    hidden: list[list[Place]],
    options: Options,
    progress: Progress,
    look: Callable[[int, FramePicture], None],
) -> list[str]:
    """Writes the video; returns what was left out of it. `look` sees each frame, by its number from 1."""
    av = pyav()
    name, settings = CODECS.get(source.suffix.lower(), USUAL)
    with opened(str(source)) as container, av.open(str(target), "w") as output:
        output.metadata.update(_kept(container.metadata, options))
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        copied = [stream for stream in container.streams if stream.type in ("audio", "subtitle")]
        out: dict[int, Any] = {video.index: None}
        first = next(container.decode(video))
        turned = FramePicture(first, str(source), 1)
        encoder = output.add_stream(name, rate=video.average_rate or 25, options=settings)
        encoder.width, encoder.height, encoder.pix_fmt = turned.width // 2 * 2, turned.height // 2 * 2, "yuv420p"
        encoder.codec_context.time_base = video.time_base
        for tag in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(encoder.codec_context, tag, getattr(video.codec_context, tag))
        out |= {stream.index: output.add_stream_from_template(stream) for stream in copied}
        container.seek(0)
        number = 0
        for packet in container.demux([video, *copied]):
            if packet.stream is not video:
                if packet.dts is not None:
                    packet.stream = out[packet.stream.index]
                    output.mux(packet)
                continue
            for frame in packet.decode():
                picture = FramePicture(frame, str(source), number + 1)
                if number >= len(hidden):
                    raise UserError(f"{source} has more frames than in the first pass")
                look(number + 1, picture)
                covered = _covered(picture, hidden[number], options.style, options.margin)
                output.mux(encoder.encode(covered))
                number += 1
                progress(len(hidden) + number, 2 * len(hidden))
        output.mux(encoder.encode(None))
        if number != len(hidden):
            raise UserError(f"{source} had {len(hidden):,} frames in the first pass and has {number:,} now")
        return [f"{stream.type} stream" for stream in container.streams if stream.index not in out]


def _kept(metadata: dict[str, str], options: Options) -> dict[str, str]:
    if options.metadata == "none":
        return {}
    tags = () if options.metadata == "keep" else PLACE_TAGS
    return {key: value for key, value in metadata.items() if not any(tag in key.lower() for tag in tags)}


def _covered(picture: FramePicture, hidden: list[Place], style: Style, margin: float) -> Any:
    """The frame, upright, in YUV with 4:2:0 chroma, its places covered plane by plane."""
    size = picture.width // 2 * 2, picture.height // 2 * 2
    stored = size[:: -1 if picture.quarters % 2 else 1]
    frame = picture.frame.reformat(width=stored[0], height=stored[1], format="yuv420p")
    if picture.quarters:
        turned = pyav().VideoFrame(*size, "yuv420p")
        for plane, source in zip(_planes(turned), _planes(frame), strict=True):
            plane[:] = np.rot90(source, picture.quarters)
        turned.pts, turned.time_base = frame.pts, frame.time_base
        frame = turned
    frame.make_writable()
    if hidden:
        rows = np.array([place.row for place in hidden], np.float32)
        corners = rows[:, 4:].reshape(-1, 4, 2) if rows.shape[1] > 4 else None
        whole, outlines = to_hide(rows[:, :4], corners, margin, size)
        half = np.concatenate([whole[:, :2] // 2, -(-whole[:, 2:] // 2)], axis=1)
        luma, *chroma = _planes(frame)
        cover(luma, whole, style, FILL, outlines)
        for plane in chroma:
            cover(plane, half, style, NEUTRAL, None if outlines is None else outlines / 2)
    frame.pict_type = 0  # the encoder's choice, not what it was in the source
    return frame


def _planes(frame: Any) -> list[np.ndarray]:
    """The Y, U and V planes of a frame, [h, w] and [h / 2, w / 2], to read and to write."""
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
