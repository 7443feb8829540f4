"""Answers photographs of concurrent requests, side by side; what arrives while all cores are busy is the next batch."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from plates.efficientdet.inference.prepare import Prepared
from plates.errors import UserError
from plates.predict.model import Model
from plates.predict.picture import Picture
from plates.predict.result import Result

MOST_THREADS = 8
"""Each holds a batch's activations, which take hundreds of MiB in the largest networks."""

Ran = Callable[[list[tuple[Result, Prepared]]], None]
"""Told of each batch: what was found from the model's own threshold up, and what the network saw of each picture."""


def threads() -> int:
    """Threads that answer at once: one for each core, up to `MOST_THREADS`."""
    return min(os.cpu_count() or 1, MOST_THREADS)


def cores_each() -> int:
    """Cores for the network of each of these threads."""
    return (os.cpu_count() or 1) // threads()


class Job(NamedTuple):
    """A picture, the least score of its answer, and that answer."""

    picture: Picture
    least: float
    found: Future[Result]


class Batches:
    """One model, and the threads that decode, scale and answer.

    Args:
        model: that answers, with `cores_each()` cores at a time.
        most: photographs that one thread answers at once.
        ran: called with each batch before it is answered.
    """

    def __init__(self, model: Model, most: int, ran: Ran) -> None:
        self.model, self.most, self.ran = model, most, ran
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"network {number}", daemon=True) for number in range(threads())
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, picture: Picture, least: float) -> Future[Result]:
        """The future answer for a picture, with scores from `least` up; `UserError` if it is damaged."""
        job = Job(picture, least, Future())
        self._jobs.put(job)
        return job.found

    def close(self) -> None:
        """Answers the waiting photographs, then ends the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            while len(jobs) < self.most:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    self._jobs.put(None)  # to end with, once these are answered
                    break
                jobs.append(job)
            self._answer([job for job in jobs if job.found.set_running_or_notify_cancel()])

    def _answer(self, jobs: list[Job]) -> None:
        ready: list[tuple[Job, Prepared]] = []
        for job in jobs:
            try:
                ready.append((job, self.model.prepared(job.picture)))
            except (
                UserError
            ) as error:  # its request gets a copy: the frames of this one would keep the batch's pictures
                job.found.set_exception(UserError(str(error)))
            except Exception as error:
                job.found.set_exception(error)
        if not ready:
            return
        pairs, usual = [(job.picture, prepared) for job, prepared in ready], self.model.threshold()
        try:
            answers = list(self.model.answers(pairs, min(usual, *(job.least for job, _ in ready))))
            results = [result.over(job.least) for (job, _), result in zip(ready, answers, strict=True)]
            self.ran([(result.over(usual), prepared) for result, (_, prepared) in zip(answers, ready, strict=True)])
        except Exception as error:  # of the runtime: the requests get it, the thread continues
            for job, _ in ready:
                job.found.set_exception(error)
            return
        for (job, _), result in zip(ready, results, strict=True):
            job.found.set_result(result)
