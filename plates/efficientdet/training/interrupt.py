"""Lets the loop react to SIGTERM between two steps, so that it can save first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticing_sigterm() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether SIGTERM came meanwhile; what it did before is back after.

    Only the main thread can ask for signals: in another one nothing changes, and the function says no.
    """
    came = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        came.set()

    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
