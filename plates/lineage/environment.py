"""The code, packages and machine of a run."""

import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from plates.lineage import working_tree

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
    """The code in `root`.

    `commit` is Git's, `changed` the files of the code that differ from it, `diff` a patch that makes the one of the
    other; all null outside a Git checkout, and only `diff` if it is too long to keep. `tree` is the hash of the
    code itself, with Git or without.
    """
    commit = working_tree.git(root, "rev-parse", "HEAD")
    changed, diff = working_tree.changes(root) or (None, None)
    return {
        "commit": commit.strip() if commit else None,
        "changed": changed,
        "tree": working_tree.tree_hash(root),
        "diff": diff,
    }


def packages() -> dict[str, str]:
    """The installed version of each package that can change a figure."""
    installed = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


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
