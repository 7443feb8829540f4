"""One run at a time on a project, started from Dagster, DVC or `plates`: the second waits and says so.

Two operating-system locks in `.plates/` are released when the processes that hold them end, even if those ran in
another container or, on a network disk, on another machine:

- `run.lock` is held for a whole run: by `plates run`, or by the process of Dagster's run. `dvc repro` does not know
  this lock, so its first stage leaves a keeper behind, which holds it until `dvc` ends.
  - `work.lock` is held by the process that writes. If a run is killed while its stage keeps running, this lock stays.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psutil

from plates.files import atomic
from stages import dvc_process, keeper
from stages.processes import Process

SILENT_S = 1.0
"""A shorter wait is not reported: the other run is just ending."""

RUN, WORK = ".plates/run.lock", ".plates/work.lock"

Say = Callable[[str], None]
Check = Callable[[], None]


@dataclass(frozen=True)
class Turn:
    """A run's turn at the project: its id, the command that started it, the process it ends with, when it began."""

    id: str
    door: str
    process: Process
    since: str

    @classmethod
    def begin(cls, door: str, pid: int) -> "Turn":
        """A turn that begins now."""
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(uuid4().hex[:12], door, Process.of(pid), since)

    @classmethod
    def read(cls, lock: Path) -> "Turn | None":
        """The run that last took the lock; None while one writes its name, or if the file holds something else."""
        try:
            content = json.loads(lock.read_text(encoding="utf-8"))
            return cls(**{**content, "process": Process(**content["process"])})
        except (ValueError, TypeError, KeyError):
            return None

    def write(self, lock: int) -> None:
        """Writes its name into the open lock."""
        os.truncate(lock, 0)
        os.pwrite(lock, json.dumps(asdict(self)).encode(), 0)

    def __str__(self) -> str:
        elsewhere = "" if self.process.is_here() else f" in another container or machine, {self.process.host}"
        return f"`{self.door}` (process {self.process.pid}{elsewhere}), running since {self.since}"


@contextmanager
def turn(root: Path, door: str, say: Say, check: Check = lambda: None) -> Iterator[Turn]:
    """Holds the project for one run, or joins the run for which an ancestor of this process holds it.

    Args:
        root: The project's folder.
        door: The command that other runs are told they wait for, such as `plates run`.
        say: Takes one line if this run has to wait: for which run, and since when that has been running.
        check: Called several times a second while waiting; an exception from it ends the wait.
    """
    with ExitStack() as stack:
        yield _enter(stack, root, door, say, check)


@contextmanager
def work(root: Path, door: str, say: Say, check: Check = lambda: None) -> Iterator[Turn]:
    """As `turn`, and no other process writes meanwhile. Everything that writes to a project does so inside this."""
    with ExitStack() as stack:
        if dvc := dvc_process.above():
            stack.enter_context(dvc_process.claims_laid_down(root, dvc))
        found = _enter(stack, root, door, say, check)
        _take(stack, root / WORK, Turn.begin(found.door, os.getpid()), say, check)
        yield found


def holder(root: Path) -> Turn | None:
    """The run that last took the project's lock; None if there was none yet."""
    return Turn.read(root / RUN) if (root / RUN).exists() else None


def at_work(root: Path) -> Turn | None:
    """The run that holds the project now; None if there is none."""
    if not (root / RUN).exists():
        return None
    with (root / RUN).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder(root)
    return None


@contextmanager
def idle(root: Path) -> Iterator[bool]:
    """Whether no run holds the project; if so, none begins inside."""
    with ExitStack() as stack:
        try:
            for name in (RUN, WORK):
                fcntl.flock(_opened(stack, root / name), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _enter(stack: ExitStack, root: Path, door: str, say: Say, check: Check) -> Turn:
    dvc = dvc_process.above()
    mine = Turn.begin(dvc_process.command(dvc), dvc.pid) if dvc else Turn.begin(door, os.getpid())
    lock, found = _take(stack, root / RUN, mine, say, check, join=True)
    if dvc and found is mine:
        subprocess.Popen(
            [sys.executable, keeper.__file__, str(dvc.pid)],
            pass_fds=(lock,),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return found


def _take(stack: ExitStack, path: Path, mine: Turn, say: Say, check: Check, join: bool = False) -> tuple[int, Turn]:
    """The open lock and the run that has it: `mine` once it is free; with `join`, an ancestor process's."""
    lock = _opened(stack, path)
    began, said = time.monotonic(), False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = Turn.read(path)
        else:
            mine.write(lock)
            return lock, mine
        if join and other and other.process in _above():
            return lock, other
        if not said and time.monotonic() - began > SILENT_S:
            say(f"waiting for {other or 'another run'}; this one continues when that one ends")
            said = True
        check()
        time.sleep(keeper.LOOK_S)


def _opened(stack: ExitStack, path: Path) -> int:
    path.parent.mkdir(exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    stack.callback(os.close, lock)  # closed and not unlocked: the keeper may hold it too
    return lock


def project_id(root: Path) -> str:
    """An id of this working copy, made once, under the lock: its path differs between containers."""
    file = root / ".plates/id"
    if not file.exists():
        with atomic(file) as temporary:
            temporary.write_text(uuid4().hex[:12], encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _above() -> list[Process]:
    return [Process.of(parent.pid) for parent in psutil.Process().parents()]
