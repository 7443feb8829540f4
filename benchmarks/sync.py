"""The cost of waiting for the disk at every write: the data assets with `os.fsync` and without, in turn.

    python benchmarks/sync.py [SCENES] [PAIRS]

Their bodies run in one process on the generated sample, from photographs to anchors, so that little else takes time; in
a whole run, with start-up and training, the share is smaller. Target: 5% of the run. Put TMPDIR on a disk.
"""

import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from measure import save

import assets
from plates.ccpd.scenes import generate
from plates.settings.project import Project
from stages import snapshot
from stages.run import Run
from stages.stage import Stage

STAGES = ("raw_images", "labels", "boxes", "splits", "tfrecords", "anchors")
FSYNC = os.fsync


def timed(root: Path, graph: Mapping[str, Stage], syncs: bool) -> tuple[float, int]:
    """Seconds of one run of the stages from nothing, and how often it waited for the disk."""
    for folder in ("data", ".plates", "reports"):
        shutil.rmtree(root / folder, ignore_errors=True)
    calls = []

    def fsync(opened: int) -> None:
        calls.append(opened)
        if syncs:
            FSYNC(opened)

    os.fsync = fsync
    started = time.perf_counter()
    for name in STAGES:
        project, stage = Project(root), graph[name]
        stage.body(Run(project, stage, snapshot.take(project, stage).version, logging.getLogger("benchmark"), "run"))
    return time.perf_counter() - started, len(calls)


def main(scenes: int = 720, pairs: int = 5) -> None:
    graph = assets.graph()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate(root / "photographs", count=scenes, seed=0)
        (root / "params.yaml").write_text(f"data: {{root: {root / 'photographs'}}}\n")
        timed(root, graph, True)  # what is loaded once
        runs = [(timed(root, graph, True), timed(root, graph, False)) for _ in range(pairs)]
    ratios = [with_sync[0] / without[0] for with_sync, without in runs]
    figures = {
        "seconds": statistics.median(with_sync[0] for with_sync, _ in runs),
        "seconds_without": statistics.median(without[0] for _, without in runs),
        "ratio": statistics.median(ratios),
        "ratio_least": min(ratios),
        "ratio_most": max(ratios),
        "count": runs[0][0][1],
    }
    print(
        f"{scenes} scenes, {', '.join(STAGES)}: {figures['seconds']:.2f} s with {figures['count']} syncs, "
        f"{figures['seconds_without']:.2f} s without; pair by pair {figures['ratio']:.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f})"
    )
    save("sync", {"data assets": figures})


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
