"""Copies of the project for tests that run it, each in a Git repository of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    *("assets", "checks", "pipelines", "plates", "stages"),
    *(
        "params.yaml",
        "label_decisions.csv",
        "dvc.yaml",
        "dagster.yaml",
        "workspace.yaml",
        "dg.toml",
        "pyproject.toml",
        ".dvc/config",
        ".dvcignore",
    ),
    *(".gitignore", "requirements.lock"),
)
Command = Callable[..., subprocess.CompletedProcess[str]]


def clone(folder: Path) -> Path:
    """A copy of the project in a Git repository of its own, with DVC set up and nothing run."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "records_*", "*.json"))
        else:
            shutil.copy2(source, target)
    home(folder)
    for command in (
        ["init", "--quiet"],
        ["config", "user.email", "test@example.com"],
        ["config", "user.name", "test"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "start"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def home(folder: Path) -> None:
    """Makes the folder the home of its own Dagster instance, as `make setup` does."""
    (folder / ".env").write_text(f"DAGSTER_HOME={folder}\n")


def commands(folder: Path, *beside: Path) -> Command:
    """Runs a command of the virtual environment in `folder`, as a user would; modules are found in `beside` too."""
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "DVC_STAGE")} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, (folder, *beside))),
        "COLUMNS": "200",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }

    def call(
        *words: str, check: bool = True, timeout: float = 1000, cwd: Path = folder
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    return call


def locked(root: Path) -> dict[str, dict[str, str]]:
    """The hash of every output in `dvc.lock`, by stage."""
    content = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {name: {out["path"]: out["md5"] for out in entry.get("outs", [])} for name, entry in content.items()}
