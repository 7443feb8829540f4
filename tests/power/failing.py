"""Makes one file operation of a piece of code fail, as SQLite's tests do."""

import errno
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

FAILING = ("open", "replace", "rename", "link", "unlink", "rmdir", "mkdir", "fsync")
SUFFIX = re.compile(r"\.[a-z]\w*$")


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, chosen: int | str, root: Path) -> Iterator[list[str]]:
    """One operation that may change something under `root` fails as on a full disk. Yields what failed.

    It is the `chosen`-th, or the first of the `chosen` kind.
    """
    calls: list[str] = []
    failed: list[str] = []

    def fail(name: str, path: str) -> None:
        calls.append(kind(name, path, root))
        if not failed and chosen in (len(calls) - 1, calls[-1]):
            failed.append(calls[-1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    with watched(monkeypatch, root, fail):
        yield failed


@contextmanager
def kinds(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[dict[str, int]]:
    """Yields how many operations of each kind change something under `root`."""
    found: dict[str, int] = {}

    def note(name: str, path: str) -> None:
        found[kind(name, path, root)] = found.get(kind(name, path, root), 0) + 1

    with watched(monkeypatch, root, note):
        yield found


def kind(name: str, path: str, root: Path) -> str:
    """The operation and the suffix of its file."""
    if not path.startswith(str(root)):
        return f"{name} elsewhere"
    suffix = SUFFIX.search(path)  # a name that ends in a time has none
    return f"{name} {suffix[0] if suffix else ''}"


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, root: Path, before: Callable[[str, str], None]) -> Iterator[None]:
    """Calls `before` with the name and the path of each operation that may change something under `root`."""

    def noted(name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def called(*arguments: Any, **options: Any) -> Any:
            path = os.readlink(f"/proc/self/fd/{arguments[0]}") if name == "fsync" else str(arguments[0])
            reads = name == "open" and len(arguments) > 1 and not _writes(arguments[1])
            if name == "fsync" or (path.startswith(str(root)) and not reads):
                before(name, path)
            return operation(*arguments, **options)

        return called

    with monkeypatch.context() as patch:
        for name in FAILING:
            patch.setattr(os, name, noted(name, getattr(os, name)))
        patch.setattr(io, "open", noted("open", io.open))
        patch.setattr("builtins.open", io.open)
        yield


def _writes(mode: str | int) -> bool:
    return bool(set(mode) & set("wxa+")) if isinstance(mode, str) else bool(mode & (os.O_WRONLY | os.O_RDWR))
