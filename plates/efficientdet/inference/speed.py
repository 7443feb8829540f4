"""How fast an exported network answers here: for people to see, never for a file whose content is a version."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from plates.efficientdet.inference.runtimes import Network

BATCHES = (1, 8)
BUDGET = 2.0
"""Seconds that a measurement may take, but for the first answer."""
MOST = 30


def milliseconds(network: Network, clock: Callable[[], float] = time.perf_counter) -> dict[int, float]:
    """The median time of an answer by the number of pictures in it, those of `BATCHES` that fit the budget."""
    found = {}
    height, width = network.description.image_size
    for count in BATCHES:
        pixels = np.full((count, height, width, 3), 127, np.float32)
        began = clock()
        network.run(pixels)  # the first answer prepares the next ones
        if clock() - began > BUDGET:
            break
        times: list[float] = []
        while not times or (sum(times) < BUDGET and len(times) < MOST):
            began = clock()
            network.run(pixels)
            times.append(clock() - began)
        found[count] = 1000 * float(np.median(times))
    return found
