"""Identifies a process across machines, containers and restarts: process ids are reused."""

import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Process:
    """One process: its host, that host's boot, its process namespace (its container), its id, and when it began."""

    host: str
    boot: str
    namespace: int
    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this id here and now.

        Raises:
            psutil.NoSuchProcess: no process has this id.
        """
        return cls(*_here(), pid, _began(pid))

    def is_here(self) -> bool:
        """Whether its id means the same process to this one."""
        return (self.host, self.boot, self.namespace) == _here()

    def ended(self) -> bool | None:
        """Whether it has ended; None if that cannot be known here: it ran in another container or machine."""
        host, boot, _ = _here()
        if self.host == host and self.boot != boot:
            return True
        if not self.is_here():
            return None
        try:
            return Process.of(self.pid) != self or psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def _here() -> tuple[str, str, int]:
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return (
        socket.gethostname(),
        boot.read_text().strip() if boot.exists() else f"{psutil.boot_time():.0f}",
        namespace.stat().st_ino if namespace.exists() else 0,
    )


def _began(pid: int) -> str:
    """When the process started: if the system says so, in ticks since boot, which do not move with the clock."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return f"{psutil.Process(pid).create_time():.0f}"
