"""How much of the default run waits for the disk: `plates run` on a clone, with every `os.fsync` in it timed.

    python benchmarks/sync.py [OPTION of plates run ...]

The clone is of the last commit. Put TMPDIR on a disk. Target: at most 5% of the run.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import save

ROOT = Path(__file__).resolve().parents[1]
TIMED = """
import os, time

wait = os.fsync

def fsync(opened):
    started = time.perf_counter()
    wait(opened)
    with open(os.environ["FSYNC_TIMES"], "a") as times:
        times.write(f"{time.perf_counter() - started}\\n")

os.fsync = fsync
"""
"""Python imports it when it starts, in every process of the run."""


def main(*options: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        clone, hook, times = Path(scratch, "plates"), Path(scratch, "hook"), Path(scratch, "times")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(TIMED)
        paths = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{hook}{os.pathsep}{clone}",
            "DAGSTER_HOME": str(clone),
            "FSYNC_TIMES": str(times),
        }
        started = time.perf_counter()
        subprocess.run(["plates", "run", *options], cwd=clone, env=os.environ | paths, check=True)
        seconds = time.perf_counter() - started
        waits = [float(line) for line in times.read_text().splitlines()]
    share = sum(waits) / seconds
    print(f"{len(waits)} syncs took {sum(waits):.2f} s of {seconds:.0f} s: {share:.2%}; the longest {max(waits):.2f} s")
    save(
        "sync",
        {"default run": {"seconds": seconds, "syncs": len(waits), "waited": sum(waits), "longest": max(waits)}},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
