"""What is said of a run through DVC: what came from its cache, and what stopped it; nothing else."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.repro import ARENAS, environment, interruptible

STAGES = "stages: {a: {cmd: '%s', deps: [knob], outs: [made]}}\n"


HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
ALLOCATE = """
import ctypes
held = ctypes.create_string_buffer(64 * 2**20)
ctypes.memset(held, 1, len(held))
print(next(line for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages")).split()[1])
"""

HEAPS = """
import ctypes, threading
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(12)
def allocate():
    together.wait()
    held = bytearray(50_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
"""


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n    autostage = false\n")
    (tmp_path / "dvc.yaml").write_text(STAGES % "cp knob made && echo ran")
    (tmp_path / "knob").write_text("1")
    return tmp_path


def repro(root: Path) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "pipelines.dvc_repro"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_stage_speaks_for_itself_and_what_came_from_the_cache_is_said(root: Path) -> None:
    assert repro(root) == (0, "ran\n", "")
    assert repro(root) == (0, "", "")
    (root / "knob").write_text("2")
    assert repro(root) == (0, "ran\n", "")
    (root / "knob").write_text("1")
    assert repro(root) == (
        0,
        "  a: from DVC's cache, made earlier with the same code, parameters and inputs\n",
        "",
    )


def test_a_stage_that_fails_has_said_why(root: Path) -> None:
    (root / "dvc.yaml").write_text(STAGES % "echo why >&2; false")
    assert repro(root) == (1, "", "why\n")


def test_what_stops_dvc_itself_is_said(root: Path) -> None:
    (root / "knob").unlink()
    code, out, err = repro(root)
    assert (code, out) == (1, "")
    assert err.startswith("error: DVC said: ")
    assert "knob" in err
    (root / "dvc.lock").write_text("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n")
    assert "error: dvc.lock has conflict markers of an unfinished merge" in repro(root)[2]


def test_sigint_ends_what_a_script_s_background_job_started() -> None:
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = interruptible(["sleep", "60"])
    finally:
        signal.signal(signal.SIGINT, usual)
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT


@pytest.mark.skipif(
    not HUGE.is_file() or "[never]" in HUGE.read_text() or platform.libc_ver() < ("glibc", "2.35"),
    reason="Linux gives no huge pages here, or glibc cannot ask for them",
)
def test_what_a_run_starts_has_huge_pages_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def huge_kib() -> int:
        done = subprocess.run([sys.executable, "-c", ALLOCATE], env=environment(), capture_output=True, check=True)
        return int(done.stdout)

    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert huge_kib() >= 32 * 2**10
    if "[madvise]" in HUGE.read_text():
        monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
        assert huge_kib() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_what_a_run_starts_has_few_heaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    done = subprocess.run([sys.executable, "-c", HEAPS], env=environment(), capture_output=True, check=True, text=True)
    assert 1 <= done.stdout.count("<heap nr=") <= ARENAS
