"""Benchmarks that need a machine which is not here can still be started."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_gpu_benchmark_runs_on_a_cpu_with_small_sizes():
    words = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--tiny"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tiny 96x64, batch 2" in done.stdout
