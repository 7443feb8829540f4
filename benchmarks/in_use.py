"""A model in use: a 1080p video hidden, and the service under 32 clients, one request in twenty of them bad.

    python benchmarks/in_use.py MODEL [SECONDS]

MODEL is what `plates predict --model` takes; the service is under load for SECONDS (default 600). Targets: 25 frames a
second; 8 ms for one photograph alone; 90% of the rate at which the model itself, before and after, answers the same
JPEGs in batches of 8; no error but for the bad requests; memory that does not grow.
"""

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path

import av
import numpy as np
import psutil
from measure import least, save
from PIL import Image

import plates
from plates.ccpd.scenes import generate
from plates.hide.options import Options
from plates.hide.video import hide_video

CLIENTS, BATCH = 32, 8
BAD_EVERY = 20
READINGS = 20
FRAMES, RATE = 250, 25
HEIGHT, WIDTH = 1080, 1920
PORT = 8765


def main(model: str, seconds: float = 600) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        generate(folder / "scenes", count=48, seed=5)
        files = sorted((folder / "scenes").rglob("*.jpg"))
        video = film(files, folder / "film.mp4")
        started = time.perf_counter()
        hidden = hide_video(plates.load(model), video, folder / "hidden.mp4", Options())
        took = time.perf_counter() - started
        print(f"hide: {hidden.frames / took:.1f} frames/s of {WIDTH}x{HEIGHT}, {hidden.plates} plates followed")
        pictures = [file.read_bytes() for file in files]
        single = one_at_a_time(model, pictures)
        print(f"alone: {1000 * single['seconds']:.1f} ms, {1000 * single['cpu_seconds']:.1f} CPU ms")
        before = own_rate(model, pictures)
        service, memory = under_load(model, pictures, seconds)
        again = own_rate(model, pictures)
    own = (before + again) / 2
    figures = service.figures(seconds) | {"own_before": before, "own_after": again, "mib": memory}
    print(
        f"serve: {figures['per_second']:.1f} photographs/s, {figures['per_second'] / own:.0%} of the model's own "
        f"{own:.1f} ({before:.1f} before, {again:.1f} after); median {figures['median_ms']:.0f} ms, "
        f"p99 {figures['p99_ms']:.0f} ms\n"
        f"{service.answers}; wrong: {service.wrong}; MiB: {' '.join(f'{mib:.0f}' for mib in memory)}"
    )
    hide = {"frames_per_second": hidden.frames / took, "plates": hidden.plates}
    save("in_use", {"hide": hide, "alone": single, "serve": figures})


def film(files: list[Path], target: Path) -> Path:
    """A video in which scenes pass from right to left."""
    strip = np.concatenate([np.asarray(Image.open(file).convert("RGB"))[:HEIGHT] for file in files[:8]], axis=1)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "superfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            pixels = np.ascontiguousarray(strip[:, 12 * number : 12 * number + WIDTH])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return target


def one_at_a_time(model: str, pictures: list[bytes]) -> dict[str, float]:
    """Seconds from a photograph's JPEG bytes to its boxes, each photograph once: the round with the least CPU time."""
    loaded = plates.load(model)
    loaded.predict(pictures[0])
    found = least(lambda: [loaded.predict(picture) for picture in pictures], 1, 5)
    return {name: found[name] / len(pictures) for name in ("seconds", "cpu_seconds")}


def own_rate(model: str, pictures: list[bytes], seconds: float = 10) -> float:
    """Photographs a second that the model answers in this process, from JPEG bytes."""
    loaded, given = plates.load(model), cycle(pictures)
    loaded.predict(list(islice(given, BATCH)))
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        done += len(loaded.predict(list(islice(given, BATCH))))
    return done / (time.perf_counter() - started)


@dataclass
class Answers:
    """What clients got.

    Attributes:
        answers: how often each status.
        wrong: good requests that were refused and bad ones that were not, by status; and lost connections.
        milliseconds: of each good request.
    """

    answers: Counter[int] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    def figures(self, seconds: float) -> dict[str, float]:
        median, p99 = np.percentile(self.milliseconds, [50, 99])
        rate = len(self.milliseconds) / seconds
        return {"per_second": rate, "median_ms": median, "p99_ms": p99, "wrong": float(self.wrong.total())}


def under_load(model: str, pictures: list[bytes], seconds: float) -> tuple[Answers, list[float]]:
    """What the clients got, and the service's memory in MiB, `READINGS` times."""
    command = [sys.executable, "-m", "pipelines.cli", "serve", "--model", model, "--port", str(PORT)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)
    try:
        while ask(http.client.HTTPConnection("127.0.0.1", PORT), "GET", "/healthz") != 200:
            assert process.poll() is None, f"{' '.join(command)} ended"
            time.sleep(0.2)
        found, memory, resident = Answers(), [], psutil.Process(process.pid).memory_info
        ends = time.perf_counter() + seconds
        threads = [threading.Thread(target=client, args=(pictures[n:], ends, found)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in range(READINGS):
            time.sleep(seconds / READINGS)
            memory.append(resident().rss / 2**20)
        for thread in threads:
            thread.join()
    finally:
        process.terminate()
        process.wait(60)
    return found, memory


def client(pictures: list[bytes], ends: float, found: Answers) -> None:
    """Asks one photograph after the other until the time is over, on one connection for as long as it is open."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    bad = cycle([pictures[0][:3000], b"not a picture", b""])
    for number, picture in zip(count(1), cycle(pictures), strict=False):
        if time.perf_counter() >= ends:
            return connection.close()
        is_bad = number % BAD_EVERY == 0
        started = time.perf_counter()
        status = ask(connection, "POST", "/predict", next(bad) if is_bad else picture)
        found.answers[status] += 1
        if not (400 <= status < 500 if is_bad else status == 200):
            found.wrong[f"{status} for a {'bad' if is_bad else 'good'} request"] += 1
        if not is_bad:
            found.milliseconds.append(1000 * (time.perf_counter() - started))


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"") -> int:
    """The status of the answer; 0: the connection was refused or lost."""
    try:
        connection.request(method, path, body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return answer.status


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
