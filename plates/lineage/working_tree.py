"""The code that ran: a hash of all its files, and the parts that Git does not have yet."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".py", ".j2")
BESIDE = ("dvc.yaml", "label_decisions.csv", "pyproject.toml", "requirements.lock")
LONGEST_DIFF = 2**20


def files(root: Path) -> Iterator[Path]:
    """Every file of the project's code in a fixed order: its packages, its modules, and what names stages and packages.

    `params.yaml` is not among them: a record keeps its text.
    """
    for path in sorted(root.iterdir()):
        if path.is_file() and (path.name in BESIDE or path.suffix == ".py"):
            yield path
        elif (path / "__init__.py").is_file():
            yield from sorted(inside for inside in path.rglob("*") if inside.suffix in SUFFIXES and inside.is_file())


def tree_hash(root: Path) -> str:
    """A hash of the names and the bytes of `files`: two trees are the same code if it is equal, with or without Git."""
    digest = hashlib.sha256()
    for file in files(root):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def changes(root: Path) -> tuple[list[str], str | None] | None:
    """The files of the code that differ from Git's HEAD, new ones included, and a patch that `git apply` takes.

    The patch is None if it is over `LONGEST_DIFF` characters. None outside a Git checkout with a commit.
    """
    top = git(root, "rev-parse", "--show-prefix", "HEAD")
    if top is None:
        return None
    wanted = _pathspecs(root)
    edited = git(root, "diff", "--name-only", "--relative", "HEAD", "--", *wanted)
    new = git(root, "ls-files", "--others", "--exclude-standard", "--", *wanted)
    if edited is None or new is None:
        return None
    patch = git(root, "diff", *_PATCH, "--relative", "HEAD", "--", *wanted) or ""
    for path in new.splitlines():
        patch += git(root, "diff", *_PATCH, "--no-index", "--", "/dev/null", path, ok=(0, 1)) or ""
    names = sorted({*edited.splitlines(), *new.splitlines()})
    return names, patch if len(patch) <= LONGEST_DIFF else None


def git(root: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> str | None:
    """What `git` prints; None if there is no Git, no repository, or it fails."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments], cwd=root, capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode in ok else None


_PATCH = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")


def _pathspecs(root: Path) -> list[str]:
    """What `files` goes through, as Git's pathspecs."""
    packages = sorted(path.parent.name for path in root.glob("*/__init__.py"))
    inside = [f":(glob){package}/**/*{suffix}" for package in packages for suffix in SUFFIXES]
    return [*inside, ":(glob)*.py", *BESIDE]
