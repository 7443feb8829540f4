"""Dagster's UI for tests, started as a user starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 120


@contextmanager
def served(project: Path, *words: str | Path, home: Path | None = None) -> Iterator[str]:
    """The `127.0.0.1:PORT` that the command answers at; it takes the port as its last word, and ends by Ctrl-C.

    Dagster's instance is the project's own, or that in `home`.
    """
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project),
        **({"DAGSTER_HOME": str(home)} if home else {}),
    }
    command = [*map(str, words[:-1]), f"{words[-1]}{port}"]
    process = subprocess.Popen(command, cwd=project, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _listening(port):
            assert process.poll() is None, f"{command} ended by itself"
            assert time.monotonic() < deadline, f"{command} did not listen within {PATIENCE_S} s"
            time.sleep(0.3)
        yield f"127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(PATIENCE_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
