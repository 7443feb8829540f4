"""The toy trained in processes of their own, and what they say and write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent


def run_toy(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(HERE / "run_toy.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[3]), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen) -> list:
    out, error = process.communicate(timeout=500)
    assert process.returncode == 0, error[-2000:]
    return json.loads(out.splitlines()[-1])


def arrays(file: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(file) as h5:
        h5.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found
