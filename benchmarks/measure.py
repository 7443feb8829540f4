"""Time, CPU time and peak memory of a piece of work in a process of its own, and the machine's name."""

import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import psutil


def measured(work: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    """Runs `work(*arguments)` in a fresh interpreter: wall and CPU seconds of the call alone, peak memory of all.

    What `work` returns, a dict, is added; `seconds` in it replaces the measured ones (work with a warm-up).
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_timed, (work, arguments))


def _timed(work: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    found = work(*arguments) or {}
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak, **found}


def machine() -> str:
    """Processor, cores, memory, system and Python, and how busy it was."""
    model = platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def table(rows: dict[str, dict[str, float]], per: str) -> None:
    """Prints figures: wall and CPU milliseconds `per` something, how many a second, peak MiB."""
    print(f"{'':34} {per + '/s':>10} {'ms':>8} {'CPU ms':>8} {'MiB':>7}")
    for name, row in rows.items():
        count = row["count"]
        print(
            f"{name:34} {count / row['seconds']:10.0f} {row['seconds'] / count * 1e3:8.3f} "
            f"{row['cpu_seconds'] / count * 1e3:8.3f} {row['peak_mib']:7.0f}"
        )
