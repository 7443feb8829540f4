"""`plates ui`: Dagster's UI for the project, with its schedules and sensors."""

import fcntl
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Annotated

import typer

from pipelines.cli.app import app, say
from pipelines.repro import environment
from pipelines.resources import use_instance
from plates.errors import UserError
from plates.settings.project import Project
from stages.code import require_own_code

LOOK_S = 0.3
PATIENCE_S = 30


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Start Dagster's UI for this project, with its schedules and sensors. Only this machine can open it."""
    project = Project.find()
    alone = _alone(project, port)
    _require_free(port)
    require_own_code(project.root)
    use_instance(project)
    daemon = Path(sys.executable).with_name("dagster-daemon")
    if not daemon.exists():
        raise UserError("dagster-daemon is not installed in this Python environment. Install it: make setup")
    say(f"Dagster's UI: http://127.0.0.1:{port} (Ctrl-C to stop)")
    commands = (
        [sys.executable, "-m", "pipelines.webserver", str(port)],
        [sys.executable, str(daemon), "run", "--workspace", "workspace.yaml"],
    )
    with alone:
        processes = [subprocess.Popen(words, cwd=project.root, env=environment()) for words in commands]
        raise typer.Exit(_together(processes))


def _together(processes: list[subprocess.Popen[bytes]]) -> int:
    """Waits until one process ends, stops the others, and returns its exit code; 0 after Ctrl-C or SIGTERM."""
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    while not stopped and all(process.poll() is None for process in processes):
        time.sleep(LOOK_S)
    code = 0 if stopped else next(process.returncode or 1 for process in processes if process.poll() is not None)
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return code


def _alone(project: Project, port: int) -> IO[str]:
    """The lock of the project's UI, held until it is closed: two daemons would evaluate each schedule twice.

    Raises:
        UserError: another UI of this project is running.
    """
    project.scratch.mkdir(exist_ok=True)
    lock = (project.scratch / "ui.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise UserError(f"plates ui is running for this project already: http://127.0.0.1:{lock.read()}") from None
    lock.truncate(0)
    lock.write(str(port))
    lock.flush()
    return lock


def _require_free(port: int) -> None:
    """Raises `UserError` if the port cannot be used: Dagster would claim to serve, and keep its daemon running."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, in case another just ended
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"127.0.0.1:{port}: {error.strerror}. Use another port: plates ui --port N") from None
