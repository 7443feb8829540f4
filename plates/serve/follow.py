"""What the service does beside its requests: looks for a new model, learns from training, writes what was seen."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import count, islice
from pathlib import Path

from plates.errors import UserError
from plates.serve.metrics import Metrics
from plates.serve.seen import Seen, of_training
from plates.serve.service import Service

logger = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks for a new model."""
LEARN = 10
"""Training photographs that the model answers at each look, so that requests hardly wait for them."""
WRITE = 15
"""Looks between two writings of what was seen."""


class Follower:
    """Keeps the service and what it has seen up to date.

    Args:
        service: that looks for its model.
        seen: its photographs.
        metrics: that count the models.
        learnt: gives training JPEGs of the model in service, to compare with what the service sees.
        scratch: the folder where what was seen is written, for the check on the champion.
    """

    def __init__(
        self,
        service: Service,
        seen: Seen,
        metrics: Metrics,
        learnt: Callable[[], Iterable[bytes]],
        scratch: Path | None,
    ) -> None:
        self.service, self.seen, self.metrics, self.learnt, self.scratch = service, seen, metrics, learnt, scratch
        self._training = of_training(service.model, learnt())

    async def run(self) -> None:
        """Looks every `LOOK` seconds, and writes every `WRITE` looks, until it is cancelled."""
        for looks in count(1):
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)
            if looks % WRITE == 0:
                await asyncio.to_thread(self.write)

    def look(self) -> None:
        """Follows the newest model, and learns from a few training photographs."""
        if self.service.follow():
            self.metrics.swaps.inc()
            self.seen.forget()
            self._training = of_training(self.service.model, self.learnt())
        try:
            self.seen.learn(islice(self._training, LEARN))
        except (OSError, UserError) as error:  # such as those that a run is replacing
            logger.warning("drift is compared with the training photographs read so far: %s", error)

    def write(self) -> None:
        """Writes what was seen."""
        try:
            if self.scratch:
                self.seen.write(self.scratch, self.service.identity)
        except OSError as error:
            logger.warning("what was seen is not written, so drift cannot be checked: %s", error)
