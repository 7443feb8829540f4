import json
import subprocess
from pathlib import Path

import pytest

STAGES = {
    "made": {"cmd": "true", "outs": ["data/made.txt"]},
    "model_card": {"cmd": "true", "deps": ["data/made.txt"], "outs": [{"card.md": {"cache": False}}]},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Git repository with a package of code, and the stages of a project that writes one file."""
    folder = tmp_path / "project"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets/__init__.py").write_text("")
    (folder / "assets/step.py").write_text("scale = 1\n")
    (folder / "dvc.yaml").write_text(json.dumps({"stages": STAGES}))
    (folder / ".gitignore").write_text("ignored.py\n")
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "test"],
        ["git", "add", "--all"],
        ["git", "commit", "-q", "-m", "start"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    return folder
