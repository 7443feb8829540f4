"""Downloads over real HTTP on this machine: whole, continued, wrong, and without a connection."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from plates.efficientdet.checkpoints.download import fetch
from plates.errors import UserError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    """Serves files with `Range`; /cut/NAME ends after half, /plain/NAME knows no ranges."""

    requests: list[str]

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.seen.append(asked)
        mode, _, name = self.path.strip("/").partition("/")
        content = Path(self.directory, name).read_bytes()
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mode != "plain" else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start : len(content) // 2 if mode == "cut" else None])

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def server(tmp_path) -> Iterator[ThreadingHTTPServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "d0.tar.gz").write_bytes(CONTENT)
    found = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served")))
    found.seen = []
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def url(server: ThreadingHTTPServer, mode: str = "whole") -> str:
    return f"http://127.0.0.1:{server.server_port}/{mode}/d0.tar.gz"


def test_fetched_once_recorded_and_then_taken_from_the_folder(server, tmp_path):
    for _ in range(2):
        path = fetch(url(server), tmp_path / "cache", SHA256)
        assert path.read_bytes() == CONTENT
    assert server.seen == [""]
    assert json.loads(path.with_name("d0.tar.gz.json").read_text())["sha256"] == SHA256


@pytest.mark.parametrize(("mode", "ranges"), [("whole", True), ("plain", False)])
def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path, mode, ranges):
    with pytest.raises(UserError, match=r"after 1500000 bytes; run again"):
        fetch(url(server, "cut"), tmp_path, SHA256)
    assert not (tmp_path / "d0.tar.gz").exists()
    assert fetch(url(server, mode), tmp_path, SHA256).read_bytes() == CONTENT
    assert server.seen == ["", "bytes=1500000-"]
    assert not list(tmp_path.glob(".*.part"))


def test_a_complete_part_is_not_asked_for_again(server, tmp_path):
    (tmp_path / ".d0.tar.gz.part").write_bytes(CONTENT)
    assert fetch(url(server), tmp_path, SHA256).read_bytes() == CONTENT


def test_other_content_than_pinned_is_removed(server, tmp_path):
    with pytest.raises(UserError, match=f"has sha256 {SHA256}, not 0000"):
        fetch(url(server), tmp_path, "0" * 64)
    assert not list(tmp_path.glob("*d0*"))
    assert not list(tmp_path.glob(".*part"))


def test_without_a_connection_the_message_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"could not download .*put it at .*d0\.tar\.gz.*model\.pretrained"):
        fetch("http://127.0.0.1:9/d0.tar.gz", tmp_path)
    with pytest.raises(UserError, match="could not download"):
        fetch("http://127.0.0.1:9/d0.tar.gz", tmp_path)
