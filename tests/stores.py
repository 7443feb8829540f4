"""An S3 server on this machine: Moto's, as a process of its own, in whichever environment it is installed."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from served import free_port

PATIENCE_S = 60
BUCKET = "plates-photographs"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3(**settings: str) -> Iterator[dict[str, str]]:
    """The environment of a client, with no bucket at the start; `settings` are Moto's own."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("no S3 server: uv tool install --with flask --with flask-cors 'moto[s3]'")
    port = free_port()
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **settings},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers(address):
            assert process.poll() is None, "moto_server ended by itself"
            assert time.monotonic() < deadline, f"moto_server did not answer within {PATIENCE_S} s"
            time.sleep(0.2)
        yield {**KEYS, "AWS_ENDPOINT_URL": address}
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=PATIENCE_S).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def make_bucket(address: str) -> None:
    """Makes `s3://BUCKET`."""
    ask(address, "PUT")


def upload(address: str, folder: Path, key: str) -> None:
    """Copies a folder's files to `s3://BUCKET/KEY`."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            put(address, f"{key}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def put(address: str, key: str, content: bytes) -> None:
    """Writes an object."""
    ask(address, "PUT", key, content)


def delete(address: str, key: str) -> None:
    """Removes an object."""
    ask(address, "DELETE", key)


def ask(address: str, method: str, key: str = "", content: bytes | None = None) -> None:
    url = f"{address}/{BUCKET}/{quote(key)}"
    headers = {"Content-Type": "application/octet-stream", "Authorization": "AWS key:any"}
    urllib.request.urlopen(urllib.request.Request(url, content, headers, method=method), timeout=PATIENCE_S).close()
