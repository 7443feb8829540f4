"""Whether Git knows the commit in a folder: a record without one does not lead back to the code."""

import os
import shutil
import subprocess
from pathlib import Path


def trouble(root: Path) -> str | None:
    """Why Git names no commit for `root`, and what to do about it; None if it names one."""
    if shutil.which("git") is None:
        return "git is not installed, so records name no commit. Install it: apt-get install git"
    done = subprocess.run(
        ["git", "rev-parse", "--verify", "HEAD"],
        cwd=root,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    said = done.stderr.strip()
    if "dubious ownership" in said:
        return (
            f"git refuses {root}, which belongs to another user, so records name no commit. Trust it: git config "
            f"--global --add safe.directory {root}"
        )
    if not in_repository(root):
        return (
            f"{root} is not a Git repository (a ZIP download?), so records name no commit. Make it one: git init && "
            "git add --all && git commit -m start"
        )
    if "Needed a single revision" in said:
        return f"nothing is committed in {root} yet, so records name no commit: git add --all && git commit -m start"
    return f"git names no commit for {root}: {said}"


def in_repository(root: Path) -> bool:
    """Whether `root` is in a Git repository, whatever Git says."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))
