"""Videos with their plates hidden: sound, times and turning stay, and a plate missed in a frame is hidden in it."""

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import plates
from plates.errors import UserError
from plates.hide.options import Options
from plates.hide.tracks import GAP, Seen, places
from plates.hide.video import hide_video
from plates.predict.video import frames

SIDE, FRAMES, RATE = 192, 16, 10
TIMES = [number * 100 + (40 if number % 3 else 0) for number in range(FRAMES)]
"""Milliseconds: the rate varies."""


def film(file: Path, rotation: int = 0) -> Path:
    """A bright plate that moves over a dark street, with sound."""
    street = np.random.default_rng(0).integers(0, 60, (SIDE // 3, SIDE // 3, 3)).astype(np.uint8)
    street = street.repeat(3, axis=0).repeat(3, axis=1)
    with av.open(str(file), "w") as output:
        output.metadata["title"] = "a street"
        video = output.add_stream("libx264", rate=RATE, options={"crf": "10", "threads": "1"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = output.add_stream("aac", rate=8000, layout="mono")
        for number, time in enumerate(TIMES):
            pixels = street.copy()
            left = 20 + 5 * number
            pixels[80:130, left : left + 80] = (220, 200, 90)
            frame = av.VideoFrame.from_ndarray(np.rot90(pixels, -rotation // 90), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts = 8000, 0
        output.mux(sound.encode(silence))
        output.mux(sound.encode(None))
    return file


@pytest.fixture(scope="module")
def model(exported: Path) -> plates.Model:
    return plates.load(exported)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_the_plate_is_gone_and_all_else_stays(model: plates.Model, tmp_path: Path, ending: str) -> None:
    source, target = film(tmp_path / f"street.{ending}"), tmp_path / "out" / f"street.{ending}"
    before = source.read_bytes()
    said = hide_video(model, source, target, Options(style="fill", score=0.1))
    assert source.read_bytes() == before
    assert (said.frames, said.left_out) == (FRAMES, [])
    assert said.plates >= 1
    found, old = list(frames(str(target))), list(frames(str(source)))
    assert [frame.seconds for frame in found] == pytest.approx([frame.seconds for frame in old], abs=2e-3)
    for number, (frame, was) in enumerate(zip(found, old, strict=True)):
        left = 20 + 5 * number
        assert was.pixels[90:120, left + 10 : left + 70].mean() > 120
        assert frame.pixels[90:120, left + 10 : left + 70].mean() < 70
    with av.open(str(target)) as written:
        assert [stream.type for stream in written.streams] == ["video", "audio"]
        assert written.metadata.get("title") == "a street"
    bare = tmp_path / f"bare.{ending}"
    hide_video(model, source, bare, Options(metadata="none"))
    with av.open(str(bare)) as written:
        assert "title" not in written.metadata


def test_frames_of_an_avi_stay_in_order_and_those_of_another_that_are_not_are_named(
    model: plates.Model, tmp_path: Path
) -> None:
    paths = {"0": tmp_path / "in_order.avi", "3": tmp_path / "mixed.avi"}
    for between, file in paths.items():
        with av.open(str(file), "w") as output:
            video = output.add_stream("libx264", rate=RATE, options={"bf": between, "b_strategy": "0"})
            video.width = video.height = SIDE
            video.pix_fmt = "yuv420p"
            for number in range(FRAMES):
                pixels = np.full((SIDE, SIDE, 3), 10 * number, np.uint8)
                output.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            output.mux(video.encode(None))
    hide_video(model, paths["0"], tmp_path / "hidden.avi", Options())
    times = [frame.seconds for frame in frames(str(tmp_path / "hidden.avi"))]
    assert len(times) == FRAMES
    assert times == sorted(times)
    with pytest.raises(UserError, match=r"mixed.avi frame \d+: its time, .* ffmpeg"):
        hide_video(model, paths["3"], tmp_path / "other.avi", Options())
    assert not (tmp_path / "other.avi").exists()


def test_a_plate_that_was_seen_once_is_hidden_and_counted(
    model: plates.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = type(model).stream

    def once(self: plates.Model, *given: Any, **options: Any) -> Iterator[Any]:
        for number, result in enumerate(found(self, *given, **options)):
            xyxy = np.array([[40, 80, 120, 130]] if number == 8 else [], np.float32).reshape(-1, 4)
            scores, classes = np.full(len(xyxy), 0.9, np.float32), np.ones(len(xyxy), np.int32)
            yield replace(result, xyxy=xyxy, scores=scores, classes=classes, corners=None)

    monkeypatch.setattr(type(model), "stream", once)
    said = hide_video(model, film(tmp_path / "street.mp4"), tmp_path / "hidden.mp4", Options(style="fill", score=0.5))
    assert said.plates == 1
    assert list(frames(str(tmp_path / "hidden.mp4")))[8].pixels[90:120, 50:110].mean() < 70


def test_a_video_that_was_cut_off_is_named_and_nothing_is_written(model: plates.Model, tmp_path: Path) -> None:
    whole = film(tmp_path / "street.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 8 // 10])
    (tmp_path / "cut.mp4").write_bytes(film(tmp_path / "a.mp4").read_bytes()[:3000])
    (tmp_path / "text.mp4").write_text("not a video")
    for name in ("cut.mkv", "cut.mp4", "text.mp4", "gone.mp4"):
        with pytest.raises(UserError, match=name):
            hide_video(model, tmp_path / name, tmp_path / "out.mp4", Options())
        assert not (tmp_path / "out.mp4").exists()


def test_a_telephones_turned_video_is_written_upright(model: plates.Model, tmp_path: Path) -> None:
    content = bytearray(film(tmp_path / "street.mp4", rotation=90).read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO/IEC 14496-12, 8.3.2: version 0
    content[matrix : matrix + 36] = struct.pack(">9i", 0, -(1 << 16), 0, 1 << 16, 0, 0, 0, SIDE << 16, 1 << 30)
    (tmp_path / "street.mp4").write_bytes(content)
    hide_video(model, tmp_path / "street.mp4", tmp_path / "hidden.mp4", Options(style="fill", score=0.1))
    old, found = (list(frames(str(tmp_path / name))) for name in ("street.mp4", "hidden.mp4"))
    assert {frame.quarters for frame in old} == {1}
    assert {frame.quarters for frame in found} == {0}
    for number, (frame, was) in enumerate(zip(found, old, strict=True)):
        left = 20 + 5 * number
        assert was.pixels[90:120, left + 10 : left + 70].mean() > 120
        assert frame.pixels[90:120, left + 10 : left + 70].mean() < 70


@pytest.mark.parametrize("source", ["/dev/video99", "http://127.0.0.1:9/street.mp4", "rtsp://127.0.0.1:9/street"])
def test_a_camera_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(UserError, match=f"{source} is not a video that can be opened"):
        list(frames(source))


def test_an_address_that_goes_away_is_named_after_what_it_gave(tmp_path: Path) -> None:
    content = film(tmp_path / "street.ts").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) * 9 // 10])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address, found = f"http://127.0.0.1:{server.server_port}/street.ts", []
        with pytest.raises(UserError, match="disconnected after frame"):
            found += frames(address)
        server.shutdown()


def seen(boxes: list[tuple[float, float] | None], rate: float = 10.0) -> list[Seen]:
    """A plate at these places from the left, with these scores; None: not found."""
    made = []
    for number, place in enumerate(boxes):
        xyxy = [] if place is None else [[place[0], 50, place[0] + 80, 80]]
        scores = [] if place is None else [place[1]]
        made.append(Seen(number / rate, np.array(xyxy, np.float32).reshape(-1, 4), np.array(scores, np.float32)))
    return made


def test_a_plate_missed_between_two_frames_is_hidden_on_the_way() -> None:
    chosen = places(seen([(0, 0.9), (10, 0.9), None, None, (40, 0.9), (50, 0.9)]), 0.5, 10)
    assert [len(frame) for frame in chosen] == [1] * 6
    assert [frame[0].filled for frame in chosen] == [False, False, True, True, False, False]
    assert chosen[2][0].box[0] == pytest.approx(20, abs=1)
    assert chosen[3][0].box[0] == pytest.approx(30, abs=1)


def test_corners_go_with_their_plate_on_the_way_too() -> None:
    frames = seen([(0, 0.9), (10, 0.9), None, (30, 0.9)])
    shifted = [
        replace(frame, corners=frame.xyxy[:, [2, 3, 0, 3, 0, 1, 2, 1]].reshape(-1, 4, 2) + 5) for frame in frames
    ]
    assert [frame[0].filled for frame in places(shifted, 0.5, 10)] == [False, False, True, False]
    np.testing.assert_allclose(
        places(shifted, 0.5, 10)[2][0].row, [20, 50, 100, 80, 105, 85, 25, 85, 25, 55, 105, 55], atol=1
    )


def test_a_weak_detection_on_a_track_is_hidden_and_one_alone_is_not() -> None:
    chosen = places(seen([(0, 0.9), (5, 0.9), (10, 0.3), (15, 0.9)]), 0.5, 10)
    assert [len(frame) for frame in chosen] == [1] * 4
    assert not any(place.filled for frame in chosen for place in frame)
    assert places(seen([(0, 0.3), (5, 0.3), None, None]), 0.5, 10) == [[], [], [], []]


def test_a_long_absence_is_not_filled_but_the_edges_are_held() -> None:
    gone = round(3 * GAP * 10)
    chosen = places(seen([(0, 0.9), (2, 0.9), *[None] * gone, (4, 0.9), (6, 0.9)]), 0.5, 10)
    assert [bool(frame) for frame in chosen[2 : 2 + gone]] == [True] * 2 + [False] * (gone - 4) + [True] * 2


def test_a_sure_detection_of_one_frame_is_hidden() -> None:
    chosen = places(seen([None, (0, 0.9), None, None, None, None]), 0.5, 10)
    assert chosen[1]
