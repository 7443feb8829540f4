"""Makes one file operation of a piece of code fail, as SQLite's tests do."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

import pytest

FAILING = ("open", "replace", "rename", "link", "unlink", "rmdir", "mkdir", "fsync")


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, number: int, root: Path) -> Iterator[list[str]]:
    """The `number`-th operation that may change something under `root` fails as on a full disk. Yields what failed."""
    calls, failed = count(), []

    def once(name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def called(*arguments: Any, **options: Any) -> Any:
            if concerns(name, arguments) and next(calls) == number:
                failed.append(name)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
            return operation(*arguments, **options)

        return called

    def concerns(name: str, arguments: tuple[Any, ...]) -> bool:
        if name == "fsync":
            return True
        if name == "open" and len(arguments) > 1 and not _writes(arguments[1]):
            return False
        return str(arguments[0]).startswith(str(root))

    with monkeypatch.context() as patch:
        for name in FAILING:
            patch.setattr(os, name, once(name, getattr(os, name)))
        patch.setattr(io, "open", once("open", io.open))
        patch.setattr("builtins.open", io.open)
        yield failed


def _writes(mode: str | int) -> bool:
    return bool(set(mode) & set("wxa+")) if isinstance(mode, str) else bool(mode & (os.O_WRONLY | os.O_RDWR))
