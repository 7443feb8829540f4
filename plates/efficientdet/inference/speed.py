"""What an exported network costs on this machine: for display, never for a versioned file."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from plates.efficientdet.inference.runtimes import FILES, Format, Network, open_network

BATCHES = (1, 8)
BUDGET = 2.0
"""Seconds that a measurement may take, not counting the first answer."""
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


def mib(path: Path) -> float:
    """MiB of a file, or of all that is in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file()) / 2**20


class Cost(NamedTuple):
    """`milliseconds`, and MiB of a process that has opened the network and answered."""

    milliseconds: dict[int, float]
    memory: float


def costs(folder: Path) -> dict[Format, Cost]:
    """The cost of each format of an exported folder that runs without TensorFlow, each in a fresh process."""
    there = [name for name, file in FILES.items() if (folder / file).exists() and name != "saved_model"]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return dict(zip(there, pool.map(partial(_cost, folder), there), strict=True))


def _cost(folder: Path, name: Format) -> Cost:
    return Cost(milliseconds(open_network(folder, name)), psutil.Process().memory_info().rss / 2**20)
