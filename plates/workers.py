"""Divides work over this machine's processes or threads, or over the workers of a Dask cluster.

Dask's own variable `DASK_SCHEDULER_ADDRESS` chooses the cluster. It is not a project setting: the results are the same
bytes wherever they are made, so it makes nothing stale and no record depends on it.
"""

import hashlib
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from plates.errors import UserError

Mapping = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
PATIENCE_S = 10
"""How long a scheduler may take to answer."""


@contextmanager
def processes(workers: int, chunksize: int = 1, needs: Path | None = None) -> Iterator[Mapping]:
    """`map` in this process where `workers` is 1, or over so many fresh ones, `chunksize` items at a time.

    Results come in order, and an exception where its item's result would. What has not begun by then is dropped. A
    worker ends when this process does, killed or not.

    Args:
        workers: processes; a Dask cluster has its own number.
        chunksize: items that travel together.
        needs: a file or folder that a worker of a Dask cluster has to see.

    Raises:
        UserError: no Dask scheduler answers, or a worker has other code or other folders.
    """
    if os.environ.get(SCHEDULER):
        with _cluster(chunksize, needs) as each:
            yield each
        return
    if workers <= 1:
        yield map
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield partial(pool.map, chunksize=chunksize)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def threads(workers: int, needs: Path | None = None) -> Iterator[Mapping]:
    """The same over threads of this process, for work that waits for disks or leaves Python's lock alone."""
    if os.environ.get(SCHEDULER):
        with _cluster(1, needs) as each:
            yield each
        return
    with ThreadPoolExecutor(workers) as pool:
        yield pool.map


@contextmanager
def _cluster(chunksize: int, needs: Path | None) -> Iterator[Mapping]:
    address = os.environ[SCHEDULER]
    try:
        from distributed import Client
    except ImportError:
        raise UserError(f"{SCHEDULER} is set, but Dask is not installed: pip install -e '.[dask]'") from None
    try:
        client = Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address} ({SCHEDULER}): {error or 'timed out'}. Start one with "
            f"`dask scheduler`, or unset {SCHEDULER} to work on this machine alone"
        ) from error

    def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        left = iter(items)
        chunks = list(iter(lambda: list(islice(left, chunksize)), []))
        futures = client.map(partial(_chunk, function, _code(), needs), chunks, pure=False)
        try:
            while futures:
                yield from futures[0].result()
                del futures[0]
        finally:
            client.cancel(futures)

    with client:
        yield each


def _chunk(function: Callable[[Any], Any], code: str, needs: Path | None, items: list[Any]) -> list[Any]:
    """On a worker of the cluster: the results, if it has this project's code and sees its files."""
    if code != _code():
        raise UserError(f"the Dask worker on {socket.gethostname()} has other code of plates: update it to this commit")
    if needs is not None and not os.path.lexists(needs):
        raise UserError(f"the Dask worker on {socket.gethostname()} does not see {needs}: mount it there at this path")
    return [function(item) for item in items]


@cache
def _code() -> str:
    """A hash of the library as it is on this machine."""
    folder, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to answer
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    Thread(target=watch, daemon=True).start()
