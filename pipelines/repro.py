"""A whole run through DVC, without DVC's own output: each stage reports what it made."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from plates.errors import UserError
from plates.lineage import git_state

ARENAS = max(1, (os.cpu_count() or 1) // 2)
MALLOC = f"glibc.malloc.hugetlb=1:glibc.malloc.arena_max={ARENAS}"
"""glibc asks Linux for pages of 2 MiB: a step of D0 at 512 px takes a seventh to a fifth less CPU time. Memory that
is freed in one heap cannot serve another, and glibc makes up to eight for each core: with `ARENAS` the same step on 2
cores peaks at a tenth less memory."""


def require_git(root: Path) -> str | None:
    """A note about Git before a run; None if Git can name the commit.

    Raises:
        UserError: DVC cannot work in `root` without Git.
    """
    said = git_state.trouble(root)
    if said and not git_state.in_repository(root):
        from dvc.config import Config

        if not Config(str(root / ".dvc"))["core"].get("no_scm", False):
            raise UserError(f"{said}. Or work without Git: dvc config --local core.no_scm true")
    return said


def repro(root: Path) -> int:
    """Runs `dvc repro` without its hints, and returns its exit code.

    Ctrl-C goes to the running stage: it reports what it keeps, then DVC ends, then this process. A SIGTERM or SIGHUP,
    which reaches only this process, is passed on as Ctrl-C.
    """
    command = [sys.executable, "-m", "pipelines.dvc_repro"]
    process = interruptible(command, cwd=root, env=environment())

    def hand_on(*_: object) -> None:
        for one in (*psutil.Process(process.pid).children(recursive=True), process):
            one.send_signal(signal.SIGINT)

    usual = {number: signal.signal(number, hand_on) for number in ends()}
    usual[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return process.wait()
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def ends() -> list[signal.Signals]:
    """The signals that end a run as Ctrl-C does; not the hang-up that `nohup` has this process ignore."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]


def interruptible(command: Sequence[str], **settings: Any) -> "subprocess.Popen[bytes]":
    """Starts a command that SIGINT ends, even if this process ignores it: a script's background job does.

    Args:
        settings: of `subprocess.Popen`.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **settings)
    finally:
        signal.signal(signal.SIGINT, usual)


def environment() -> dict[str, str]:
    """This environment, with the folder of `plates`, `dvc` and `dagster` first on the path, and with `MALLOC`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"GLIBC_TUNABLES": MALLOC, **os.environ, "PATH": path}
