"""Bringing back the data, parameters and model of a record."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from plates.errors import UserError
from plates.files import atomic
from plates.lineage.record import Record, outputs


def restore(root: Path, record: Record) -> Path:
    """Puts the record's `params.yaml` and `dvc.lock` in place and has DVC check out the data and models they name.

    What DVC does not cache (reports, plots) and what came after the record (its card, the champion) stays as it is.
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
    done = _checkout(root, record.dvc_lock)
    if done.returncode != 0:
        for name in texts:
            if (kept / name).exists():
                with atomic(root / name) as temporary:
                    shutil.copy2(kept / name, temporary)
        _checkout(root, (root / "dvc.lock").read_text(encoding="utf-8"))
        raise UserError(
            f"DVC's cache no longer holds all of record {record.id}; nothing was changed.\n{done.stderr.strip()}\n"
            "If a remote has it: dvc pull. Else make it again: put the record's params in params.yaml and `plates run`."
        )
    return kept


def _checkout(root: Path, lock: str) -> subprocess.CompletedProcess[str]:
    targets = sorted(outputs(lock).keys() & _cached(root))
    return subprocess.run(
        [sys.executable, "-m", "dvc", "checkout", "--force", *targets],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def _cached(root: Path) -> set[str]:
    """The outputs in `dvc.yaml` whose content DVC keeps in its cache."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    plain = {out for out in outs if isinstance(out, str)}
    return plain | {
        path for out in outs if isinstance(out, dict) for path, options in out.items() if options.get("cache", True)
    }
