"""The code of a record, from its commit and its patch, as trees of the project's own Git repository."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plates.errors import UserError
from plates.lineage.record import Record
from plates.lineage.working_tree import files, git, tree_hash

SETTINGS = ("dagster.yaml", "workspace.yaml", "dg.toml", "params.yaml", ".dvc/config", ".dvcignore", ".gitignore")
"""What runs the code besides itself."""


@dataclass(frozen=True)
class FileChange:
    """One file that differs between two trees; lines are None of a binary file."""

    path: str
    added: int | None
    removed: int | None


class CodeTrees:
    """Trees of records, built beside the repository's objects: the repository itself is only read."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root, self._scratch = root, scratch
        (scratch / "objects").mkdir()
        kept = git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
        self._environment = {
            **os.environ,
            "GIT_INDEX_FILE": str(scratch / "index"),
            "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": (kept or "").strip(),
        }

    def tree(self, record: Record) -> str:
        """The id of the tree of the project's folder as it was when the record was written.

        Raises:
            UserError: the repository lacks the commit, or the record the patch.
        """
        commit, diff = record.code["commit"], record.code.get("diff")
        if commit is None:
            raise UserError(f"record {record.short} was written outside Git: only the hash of its code is known")
        if diff is None and record.code["changed"]:
            files = ", ".join(record.code["changed"])
            raise UserError(f"record {record.short} was written with edits that it does not keep, in {files}")
        prefix = (git(self._root, "rev-parse", "--show-prefix") or "").strip()
        if self._git("read-tree", f"{commit}:{prefix}", ok=(0, 128)) is None:
            raise UserError(
                f"commit {commit[:8]} of record {record.short} is not in this repository. If a remote has it: "
                "git fetch --all"
            )
        if diff:
            self._git("apply", "--cached", "--whitespace=nowarn", "-", given=diff)
        return str(self._git("write-tree")).strip()

    def changes(self, first: str, second: str) -> list[FileChange]:
        """The files that differ between two trees, the most lines first."""
        rows = str(self._git("diff", "--numstat", "--no-renames", first, second)).splitlines()
        split = [row.split("\t", 2) for row in rows]
        found = [FileChange(path, _lines(added), _lines(removed)) for added, removed, path in split]
        return sorted(found, key=lambda change: -((change.added or 0) + (change.removed or 0)))

    def patch(self, first: str, second: str, paths: Sequence[str] = ()) -> str:
        """The differences between two trees as `git diff` shows them."""
        return str(self._git("diff", "--no-color", "--no-ext-diff", first, second, "--", *paths))

    def export(self, tree: str, folder: Path) -> None:
        """Writes the files of a tree into a folder."""
        self._git("read-tree", tree)
        self._git("checkout-index", "--all", "--force", f"--prefix={folder.resolve()}/")

    def _git(self, *arguments: str, given: str | None = None, ok: tuple[int, ...] = (0,)) -> str | None:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", "-c", "core.autocrlf=false", *arguments],
            cwd=self._scratch,
            env={**self._environment, "GIT_DIR": self._git_dir},
            input=given,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode not in ok:
            raise UserError(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else None

    @property
    def _git_dir(self) -> str:
        return (git(self._root, "rev-parse", "--absolute-git-dir") or "").strip()


@contextmanager
def code_trees(root: Path) -> Iterator[CodeTrees]:
    """Trees of the records of the project in `root`; what they need on disk is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="plates-code-") as scratch:
        yield CodeTrees(root, Path(scratch))


def export_code(root: Path, record: Record, folder: Path) -> None:
    """Writes the code of a record into a folder: from `root` if it is the same, else from Git.

    Raises:
        UserError: it is not available, or does not match the record's hash.
    """
    if record.code.get("tree") == tree_hash(root):
        for file in (*files(root), *(root / name for name in SETTINGS if (root / name).is_file())):
            target = folder / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return
    with code_trees(root) as trees:
        trees.export(trees.tree(record), folder)
    expected = record.code.get("tree")
    if expected and tree_hash(folder) != expected:
        raise UserError(
            f"the code of record {record.short}, made from its commit and its patch, has hash {tree_hash(folder)}, "
            f"but the record says {expected}"
        )


def _lines(count: str) -> int | None:
    return None if count == "-" else int(count)
