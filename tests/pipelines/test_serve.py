"""`plates serve` as a process of its own, and its page in a real browser."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.long

Boxes = dict[Path, tuple[float, float, float, float]]
Serving = tuple[subprocess.Popen[str], int]


@pytest.fixture
def serve(exported: Path, tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts the service on a free port, or the one that is named, and waits until it answers or ends."""
    processes = []

    def start(port: int | None = None) -> Serving:
        if port is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        command = [sys.executable, "-m", "pipelines.cli", "serve", "--model", str(exported), "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        deadline = time.monotonic() + 120
        while process.poll() is None:
            assert time.monotonic() < deadline, "the service did not answer within two minutes"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        return process, port

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_photograph_is_dropped_hidden_and_downloaded(
    serve: Callable[..., Serving], browser: Browser, toy_photographs: Boxes, tmp_path: Path
) -> None:
    process, port = serve()
    page = browser.new_page(viewport={"width": 900, "height": 800})
    page.goto(f"http://127.0.0.1:{port}/")
    page.set_input_files("#file", next(iter(toy_photographs)))
    expect(page.locator("#said")).to_contain_text("found", timeout=30_000)
    expect(page.locator("canvas")).to_be_visible()
    page.select_option("#style", "fill")
    page.click("#hide")
    expect(page.locator("#said")).to_contain_text("hidden", timeout=30_000)
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "hidden.jpg")
    with Image.open(tmp_path / "hidden.jpg") as hidden:
        assert hidden.size == (192, 192)
    (tmp_path / "text.jpg").write_text("not a picture")
    page.set_input_files("#file", tmp_path / "text.jpg")
    expect(page.get_by_role("alert")).to_contain_text("is not a picture", timeout=30_000)
    page.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (0, -signal.SIGTERM)


def test_a_second_service_on_the_port_says_so_and_the_first_goes_on(serve: Callable[..., Serving]) -> None:
    first, port = serve()
    second = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "serve", "--model", "nowhere", "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert second.returncode == 1
    assert f"127.0.0.1:{port}: Address already in use. Use another port: plates serve --port N" in second.stderr
    assert first.poll() is None
