"""Time, CPU time and peak memory of a piece of work in its own process, and where it was measured.

Files are written under $TMPDIR if set, else under /tmp; the results say which, and how busy the machine was.
"""

import multiprocessing
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from plates.files import write_json

RESULTS = Path(__file__).resolve().parent / "results"
LOAD_BEFORE = [round(load, 2) for load in os.getloadavg()]


def measured(work: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    """Runs `work(*arguments)` in a fresh interpreter: wall and CPU seconds of the call alone, peak memory of all.

    What `work` returns, a dict, is added; `seconds` in it replaces the measured ones (work with a warm-up).
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_timed, work, arguments).result()


def _timed(work: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    found = work(*arguments) or {}
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib(), **found}


def least(work: Callable[[], Any], count: int, repeats: int) -> dict[str, float]:
    """`count` calls of `work`, timed `repeats` times: the time with the least CPU, and the mean CPU of all times.

    On a shared machine, the minimum is the work's own cost (as in Python's `timeit`); the mean shows how much others
    disturbed it.
    """
    times = []
    for _ in range(repeats):
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            work()
        times.append((time.process_time() - cpu, time.perf_counter() - started))
    cpu, seconds = min(times)
    mean = sum(cpu for cpu, _ in times) / repeats
    return {"seconds": seconds, "cpu_seconds": cpu, "cpu_seconds_mean": mean, "count": count}


def repeated(work: Callable[[], Any], count: int) -> dict[str, float]:
    """Wall and CPU seconds of one of `count` calls, after three that are not counted; the process's peak memory."""
    for _ in range(3):
        work()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        work()
    seconds, cpu_seconds = (time.perf_counter() - began) / count, (time.process_time() - cpu) / count
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib()}


def peak_mib() -> float:
    """The most memory that this process has used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> str:
    """Processor, cores, memory, system, Python, and how busy it was."""
    model = platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def save(name: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes `results/NAME.json`: the figures, the machine, its load averages before and after, and the folder used."""
    after = [round(load, 2) for load in os.getloadavg()]
    write_json(
        RESULTS / f"{name}.json",
        {
            "machine": machine(),
            "load_before": LOAD_BEFORE,
            "load_after": after,
            "files_in": tempfile.gettempdir(),
            "figures": figures,
        },
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
