"""The model in service: the champion, and the next one once there is one, without a lost request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plates.errors import UserError
from plates.predict.model import Model
from plates.serve.batches import Batches, Ran
from plates.serve.options import Options

logger = logging.getLogger(__name__)

Source = Callable[[], tuple[str, Callable[[], Model]]]
"""Says which model there is to serve, by an identity that changes with it, and how to load it."""


class Service:
    """What requests are answered with.

    Args:
        source: of the model.
        options: limits.
        ran: as of `Batches`.
    """

    def __init__(self, source: Source, options: Options, ran: Ran) -> None:
        self.options, self.ran, self._source = options, ran, source
        self.trouble: str | None = None
        """Why the newest model is not in service."""
        self._lock = threading.Condition()
        self._users: dict[Batches, int] = {}
        self.identity, load = source()
        self._current = self._batches(load())

    @property
    def model(self) -> Model:
        """The model in service now."""
        return self._current.model

    @contextmanager
    def current(self) -> Iterator[Batches]:
        """The model in service for one request: it stays open until that is answered."""
        with self._lock:
            batches = self._current
            self._users[batches] = self._users.get(batches, 0) + 1
        try:
            yield batches
        finally:
            with self._lock:
                self._users[batches] -= 1
                self._lock.notify_all()

    def follow(self) -> bool:
        """Puts the newest model in service if it is a different one; returns whether it did.

        One that cannot be loaded, such as files that are just being replaced, leaves the old one in service, and
        `trouble` says why.
        """
        try:
            identity, load = self._source()
            if identity == self.identity:
                return False
            new = self._batches(load())
        except UserError as error:
            self.trouble = str(error)
            return False
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            logger.exception("the model in service stays")
            return False
        with self._lock:
            old, self._current, self.identity, self.trouble = self._current, new, identity, None
        self._retire(old)
        return True

    def close(self) -> None:
        """Answers the waiting requests, and ends."""
        self._retire(self._current)

    def _batches(self, model: Model) -> Batches:
        return Batches(model, self.options.batch, self.ran)

    def _retire(self, batches: Batches) -> None:
        with self._lock:
            self._lock.wait_for(lambda: not self._users.get(batches))
            self._users.pop(batches, None)
        batches.close()
