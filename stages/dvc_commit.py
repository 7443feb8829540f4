"""Telling DVC that a stage's outputs are new, when something other than `dvc repro` made them."""

import subprocess
import sys
import time
from pathlib import Path

from plates.errors import UserError

LOCKED = "Unable to acquire lock"
PATIENCE_S = 120.0


def commit(root: Path, stage: str) -> None:
    """`dvc commit` of one stage: its outputs and the present state of its inputs go into `dvc.lock`.

    Another DVC process may hold the lock: this waits for it, two minutes at most. `UserError` with DVC's own words
    when it fails.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "commit", "--force", "--quiet", stage],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        if LOCKED not in done.stderr or time.monotonic() > deadline:
            raise UserError(
                f"`dvc commit {stage}` failed: {done.stderr.strip()}\nThe files are written. Try `plates doctor`."
            )
        time.sleep(0.5)
