"""Whether Git knows the commit in a folder: a record without one does not lead back to the code."""

import os
import shutil
import subprocess
from pathlib import Path


def trouble(root: Path) -> str | None:
    """Why Git names no commit for `root`, and what to do about it; None if it names one."""
    if shutil.which("git") is None:
        return "git is not installed, so records name no commit. Install it: apt-get install git"
    done = _git(root, "rev-parse", "--verify", "HEAD")
    if done.returncode == 0:
        return damage(root)
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
    return damage(root) or f"git names no commit for {root}: {said}"


def damage(root: Path) -> str | None:
    """What is damaged of the Git repository of `root`, and how to repair it; None if it is sound, or there is none."""
    if not in_repository(root) or shutil.which("git") is None:
        return None
    done = _git(root, "diff-index", "--cached", "HEAD")
    said = done.stderr.strip()
    if done.returncode == 0 or "dubious ownership" in said or "ambiguous argument" in said:
        return None
    begins = f"the Git repository of {root} is damaged ({said.partition(chr(10))[0]}), so records name no commit. "
    if "index" in said:
        return f"{begins}Make its index again: rm .git/index && git reset"
    if "not a git repository" in said:
        return f"{begins}Name its branch again: echo 'ref: refs/heads/BRANCH' > .git/HEAD (ls .git/refs/heads)"
    return f"{begins}Get the missing objects: git fetch --refetch; or clone again beside it, and move its .git here"


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(["git", *words], cwd=root, env=environment, capture_output=True, text=True, check=False)


def in_repository(root: Path) -> bool:
    """Whether `root` is in a Git repository, whatever Git says."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))
