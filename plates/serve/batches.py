"""Answers photographs of concurrent requests together: what arrives while the network is busy is its next batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from plates.efficientdet.inference.prepare import Prepared
from plates.predict.model import Model
from plates.predict.picture import Picture
from plates.predict.result import Result

Job = tuple[Picture, Prepared, float, "Future[Result]"]


class Batches:
    """One model, one thread that runs it.

    Args:
        model: that answers.
        most: photographs at once.
        ran: called with the number of photographs of each batch.
    """

    def __init__(self, model: Model, most: int, ran: Callable[[int], None] = lambda count: None) -> None:
        self.model, self.most, self.ran = model, most, ran
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def submit(self, picture: Picture, prepared: Prepared, least: float) -> Future[Result]:
        """The future answer for a picture that this model prepared, with scores from `least` up."""
        found: Future[Result] = Future()
        self._jobs.put((picture, prepared, least, found))
        return found

    def close(self) -> None:
        """Answers the waiting photographs, then ends the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, last = [first], False
            while len(jobs) < self.most and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    last = True
                    break
                jobs.append(job)
            self._answer([job for job in jobs if job[3].set_running_or_notify_cancel()])
            if last:
                break

    def _answer(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        self.ran(len(jobs))
        try:
            results = list(
                self.model.answers([(picture, ready) for picture, ready, _, _ in jobs], min(j[2] for j in jobs))
            )
        except Exception as error:  # of the runtime: the requests get it, the thread continues
            for *_, found in jobs:
                found.set_exception(error)
            return
        for (*_, least, found), result in zip(jobs, results, strict=True):
            found.set_result(result.over(least))
