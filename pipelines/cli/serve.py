"""`plates serve`: the model over HTTP."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.app import app, note
from pipelines.cli.next import train_photographs
from pipelines.cli.predict import Trust, locate, vouching
from plates.errors import UserError
from plates.files import read_json
from plates.lineage.champion import FOLDER, POINTER
from plates.metrics import measured
from plates.settings.project import Project

if TYPE_CHECKING:
    from plates.predict.model import Model

HERE = "127.0.0.1"
LOOPBACK = (HERE, "localhost")
KEY = "PLATES_KEY"
LEARNT = 300
"""Training photographs that the service's are compared with."""
STOPPING = 30
"""Seconds that running requests have to finish once the service is told to stop."""


@app.command()
def serve(
    model: Annotated[
        str | None, typer.Option(help="As predict's --model; default: the champion, and the next one.")
    ] = None,
    host: Annotated[
        str, typer.Option(help=f"Address to listen on; needs a key in {KEY} if other machines can reach it.")
    ] = HERE,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    megabytes: Annotated[float, typer.Option(min=0.001, max=10_000, help="Largest request.")] = 20.0,
    megapixels: Annotated[float, typer.Option(min=0.001, help="Largest photograph.")] = 50.0,
    waiting: Annotated[int, typer.Option(min=1, help="Photographs that may wait; further ones get a 503.")] = 64,
    trust: Trust = False,
) -> None:
    """Serve the model over HTTP: boxes, photographs with hidden plates, metrics, and a page to drop a photograph on."""
    try:
        import uvicorn

        from plates.serve.app import create
        from plates.serve.options import Options
    except ImportError:
        raise UserError("serving needs more packages: pip install -e '.[serve]'") from None
    key = os.environ.get(KEY) or None
    if host not in LOOPBACK and not key:
        raise UserError(f"{host} can be reached from other machines: set a key in {KEY}, or listen on {HERE}")
    _require_free(host, port)
    source = _given(model, trust) if model else _champion(trust)
    service = create(
        source,
        Options(megabytes=megabytes, megapixels=megapixels, waiting=waiting, key=key),
        lambda: _lineage(model),
        learnt=lambda: train_photographs(LEARNT),
        scratch=None if model else Project.find().scratch,
    )
    note(f"http://{host}:{port} (Ctrl-C to stop)")
    uvicorn.run(service, host=host, port=port, log_level="warning", timeout_graceful_shutdown=STOPPING)


def _given(model: str, trust: bool) -> "Callable[[], tuple[str, Callable[[], Model]]]":
    located = locate(model, trust)
    return lambda: (str(located[0]), lambda: _load(*located))


def _champion(trust: bool) -> "Callable[[], tuple[str, Callable[[], Model]]]":
    pointer = Project.find().path(POINTER)
    if not pointer.exists():
        raise UserError("no champion to serve. `plates run` makes one; --model serves another model")

    def source() -> "tuple[str, Callable[[], Model]]":
        record = str(read_json(pointer)["record"])
        return record, lambda: _load(*locate(str(Project.find().path(FOLDER)), trust))

    return source


def _load(path: Path, kind: Any) -> "Model":
    from plates.predict.load import load
    from plates.serve.batches import cores_each

    return load(path, kind, threads=cores_each())


def _lineage(model: str | None) -> dict[str, Any]:
    """The newest record of the model in service."""
    from plates.predict import load as loading

    path, _ = loading.locate(model or Project.find().path(FOLDER))
    known = vouching(path)
    if not known:
        return {"record": None}
    newest = known[-1]
    return {"record": newest.id, "time": newest.time, "metrics": measured(newest.metrics), "data": newest.outputs}


def _require_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(f"{host}:{port}: {error.strerror}. Use another port: plates serve --port N") from None
