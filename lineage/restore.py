"""Bringing back the data, parameters and model of a record."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from lineage.errors import UserError
from lineage.files import atomic
from lineage.record import Record


def restore(root: Path, record: Record) -> Path:
    """Puts the record's `params.yaml` and `dvc.lock` in place and has DVC check out what they name.

    Returns the folder that keeps the two files as they were. `UserError` where DVC's cache lacks a file of the record:
    both files are then put back as they were.
    """
    kept = root / ".plates" / "restored" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    kept.mkdir(parents=True)
    texts = {"params.yaml": record.params_yaml, "dvc.lock": record.dvc_lock}
    for name, text in texts.items():
        if (root / name).exists():
            shutil.copy2(root / name, kept / name)
        with atomic(root / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    done = _checkout(root)
    if done.returncode != 0:
        for name in texts:
            if (kept / name).exists():
                with atomic(root / name) as temporary:
                    shutil.copy2(kept / name, temporary)
        _checkout(root)
        raise UserError(
            f"DVC's cache no longer holds all of record {record.id}; nothing was changed.\n{done.stderr.strip()}\n"
            "If a remote has it: dvc pull. Else make it again: put the record's params in params.yaml and `plates run`."
        )
    return kept


def _checkout(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", "checkout", "--force"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
