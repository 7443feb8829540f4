"""The `dvc` that runs this stage: which process it is, and its claims on files."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil


def above() -> psutil.Process | None:
    """The `dvc` process whose stage this process runs; None if DVC did not start it.

    DVC sets `DVC_STAGE` for the processes it starts: the nearest ancestor without it is DVC itself.
    """
    if "DVC_STAGE" not in os.environ:
        return None
    for parent in psutil.Process().parents():
        try:
            if "DVC_STAGE" not in parent.environ():
                return parent
        except psutil.AccessDenied:
            return None
    return None


def command(dvc: psutil.Process) -> str:
    """The command as a user types it, such as `dvc repro checkpoint`."""
    words = dvc.cmdline()
    place = next((place for place, word in enumerate(words) if Path(word).name == "dvc"), 0)
    return " ".join(["dvc", *words[place + 1 :]])


@contextmanager
def claims_laid_down(root: Path, dvc: psutil.Process) -> Iterator[None]:
    """Takes the claims of `dvc` off DVC's list of files in use while its stage waits and runs.

    DVC gives up at once if another `dvc` has claimed a file; under the project's lock the second waits instead. And
    while a stage of the second waits, its claims must not stop the run it waits for.
    """
    with _claims(root) as (reads, writes):
        read = [(path, claim) for path, claims in reads.items() for claim in claims if claim["pid"] == dvc.pid]
        written = [(path, claim) for path, claim in writes.items() if claim["pid"] == dvc.pid]
        for path, claim in read:
            reads[path].remove(claim)
        for path, _ in written:
            del writes[path]
    try:
        yield
    finally:
        with _claims(root) as (reads, writes):
            for path, claim in read:
                reads[path].append(claim)
            writes.update(written)


@contextmanager
def _claims(root: Path) -> Iterator[tuple[dict[str, list[Any]], dict[str, Any]]]:
    """DVC's list of files in use, for editing: who reads each path, and who writes it.

    DVC has no public interface to it: this is `dvc.rwlock`, whose file is `.dvc/tmp/rwlock`.
    """
    from dvc.config import Config
    from dvc.fs import localfs
    from dvc.rwlock import _edit_rwlock

    hardlink = Config(str(root / ".dvc"))["core"].get("hardlink_lock", False)
    edit: AbstractContextManager[Any] = _edit_rwlock(str(root / ".dvc/tmp"), localfs, hardlink)
    with edit as content:
        yield content["read"], content["write"]
        for path in [path for path, claims in content["read"].items() if not claims]:
            del content["read"][path]
