"""The code, packages and machine of a run."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "dagster",
    "dvc",
    "great-expectations",
    "keras",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "pycocotools",
    "tensorflow",
)


def code(root: Path) -> dict[str, Any]:
    """The Git commit of `root` and the tracked source files that differ from it; nulls outside a Git checkout."""
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "diff", "--name-only", "HEAD", "--", "*.py", "requirements.lock")
    return {"commit": commit, "changed": changed.splitlines() if changed is not None else None}


def packages() -> dict[str, str]:
    """The installed version of each package that can change a figure."""
    return {name: metadata.version(name) for name in PACKAGES}


def machine() -> dict[str, Any]:
    """Python, operating system, processor and the number of cores this process may use."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
