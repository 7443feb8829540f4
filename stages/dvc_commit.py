"""Tells DVC that a stage's outputs are new when something other than `dvc repro` made them."""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from plates.errors import UserError
from plates.files import atomic
from stages import dvc_lock, faults
from stages.dvc_lock import Entry, value
from stages.snapshot import Snapshot

LOCKED = ("Unable to acquire lock", "is busy, it is being blocked by")
PATIENCE_S = 120.0


def commit(root: Path, stage: str, began: Snapshot) -> None:
    """`dvc commit` of one stage: its outputs, code, inputs and parameters go into `dvc.lock`.

    DVC reads code and parameters from the disk. If they are not those that the stage `began` with, `dvc.lock` is put
    back. Another DVC process may hold DVC's lock: this waits for it, two minutes at most. Does nothing if DVC is not
    installed.

    Raises:
        UserError: DVC failed, or code or parameters were edited in the meantime.
    """
    if importlib.util.find_spec("dvc") is None:
        return
    lock = root / dvc_lock.FILE
    before = lock.read_bytes() if lock.exists() else None
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "stages.dvc_whole", "commit", "--force", "--quiet", stage],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            break
        if not any(busy in done.stderr for busy in LOCKED) or time.monotonic() > deadline:
            raise UserError(
                f"the files are written, but `dvc commit {stage}` failed: {faults.dvc_in_words(done.stderr, root)}"
            )
        time.sleep(0.5)
    if edited := _differences(dvc_lock.read(root)[stage], began):
        if before is None:
            lock.unlink()
        else:
            with atomic(lock) as temporary:
                temporary.write_bytes(before)
        raise UserError(
            f"edited while {stage} was recorded: {', '.join(edited)}. dvc.lock is as it was. Run again: plates run"
        )


def _differences(entry: Entry, began: Snapshot) -> list[str]:
    """The code and parameters in an entry of `dvc.lock` that are not those the stage began with."""
    return [
        *(path for path, found in began.code.items() if entry.deps.get(path) != found),
        *(f"params.yaml: {key}" for key, found in began.params.items() if value(key, entry.params) != found),
    ]
