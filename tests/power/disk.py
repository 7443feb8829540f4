"""A model of what a power cut may leave of a folder, from a log of the file operations of a piece of code.

After ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): operations on names reach the disk in
the order in which they were made, and all of them when a folder is synced; what was written to a file is there once the
file was synced, and before that all of it, half of it, or nothing. A crash may come after any operation.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

Tree = dict[str, int]
"""Relative path to the number of the file there; folders are 0."""


@dataclass
class Log:
    """The operations of one run: `names[i]` is the tree after the i-th, `content[i]` what each file then held."""

    root: Path
    names: list[Tree] = field(default_factory=list)
    content: list[dict[int, bytes]] = field(default_factory=list)
    synced: list[dict[int, bytes]] = field(default_factory=list)
    folder_synced: list[int] = field(default_factory=list)

    def note(self, file: int | None = None, folder: bool = False) -> None:
        """Notes what is there now; `file` was just synced, or a `folder` was, with all names before."""
        names: Tree = {}
        content: dict[int, bytes] = {}
        for place, folders, files in os.walk(self.root):
            names |= {os.path.relpath(os.path.join(place, name), self.root): 0 for name in folders}
            for name in files:
                path = os.path.join(place, name)
                number = os.stat(path).st_ino
                names[os.path.relpath(path, self.root)] = number
                if number not in content:
                    with os.fdopen(_open(path, os.O_RDONLY), "rb") as stream:
                        content[number] = stream.read()
        durable = dict(self.synced[-1]) if self.synced else dict(content)  # what lay there before is on the disk
        if file is not None and file in content:
            durable[file] = content[file]
        last = self.folder_synced[-1] if self.folder_synced else 0
        self.names.append(names)
        self.content.append(content)
        self.synced.append(durable)
        self.folder_synced.append(len(self.names) - 1 if folder else last)

    def states(self) -> Iterator[dict[str, bytes | None]]:
        """Every different state that a power cut may leave: path to content, None for a folder."""
        seen = set()
        for crash in range(len(self.names)):
            for upto in range(self.folder_synced[crash], crash + 1):
                unsafe = [number for number in set(self.names[upto].values()) if number and self._unsafe(crash, number)]
                for part in (0.0, 0.5, 1.0):
                    for lost in (unsafe, *([number] for number in unsafe)):
                        state = self._state(crash, upto, {number: part for number in lost})
                        entries = sorted((path, b"folder" if data is None else data) for path, data in state.items())
                        if (key := hash(tuple(entries))) not in seen:
                            seen.add(key)
                            yield state

    def _unsafe(self, crash: int, number: int) -> bool:
        written = self.content[crash].get(number)
        return written is not None and self.synced[crash].get(number) != written

    def _state(self, crash: int, upto: int, lost: dict[int, float]) -> dict[str, bytes | None]:
        """Names as after operation `upto`; of `lost` files what was synced, else so large a part of the new."""
        state: dict[str, bytes | None] = {}
        for path, number in self.names[upto].items():
            if number == 0:
                state[path] = None
                continue
            written = self.content[crash].get(number, self.content[upto][number])
            safe = self.synced[crash].get(number)
            state[path] = (safe or written[: int(len(written) * lost[number])]) if number in lost else written
        return state


_open = os.open
CHANGING = ("replace", "rename", "link", "unlink", "rmdir", "mkdir")


@contextmanager
def logged(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Logs what the code inside does to files under `root`."""
    log = Log(root)
    with monkeypatch.context() as patch:
        log.note()
        for name in CHANGING:
            patch.setattr(os, name, _noting(getattr(os, name), log))
        fsync = os.fsync

        def sync(opened: int) -> None:
            fsync(opened)
            status = os.fstat(opened)
            folder = os.path.isdir(f"/proc/self/fd/{opened}")
            log.note(file=None if folder else status.st_ino, folder=folder)

        patch.setattr(os, "fsync", sync)
        yield log
        log.note()


def _noting(operation: Callable[..., Any], log: Log) -> Callable[..., Any]:
    @wraps(operation)
    def noted(*arguments: Any, **options: Any) -> Any:
        log.note()
        result = operation(*arguments, **options)
        log.note()
        return result

    return noted


def lay_out(state: dict[str, bytes | None], root: Path) -> None:
    """Makes a state of `Log.states` real in an empty folder."""
    for path, data in sorted(state.items()):
        target = root / path
        if data is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
