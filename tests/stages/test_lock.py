"""One run at a time on a project: real processes, real DVC, real kills."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WORKER = """
import os, pathlib, sys, time
from stages import lock
root, name, seconds = pathlib.Path.cwd(), sys.argv[1], float(sys.argv[2])
with lock.work(root, f"test {name}", lambda line: print(line, flush=True)):
    with (root / "log").open("a") as log:
        print("begin", name, file=log, flush=True)
        time.sleep(seconds)
        while (root / "hold").exists():
            time.sleep(0.05)
        print("end", name, file=log, flush=True)
"""
RUN = """
import pathlib, subprocess, sys, time
from stages import lock
with lock.turn(pathlib.Path.cwd(), "test run", lambda line: print(line, flush=True)):
    pathlib.Path("held").touch()
    for name in sys.argv[1:]:
        subprocess.run([sys.executable, "worker.py", name, "1"], check=True)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command in an empty project; what still runs at the end of the test is killed."""
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "run.py").write_text(RUN)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    started: list[subprocess.Popen[str]] = []

    def call(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lines(root: Path) -> list[str]:
    return (root / "log").read_text().splitlines() if (root / "log").exists() else []


def in_turn(log: list[str]) -> bool:
    """Whether each piece of work ended before the next began."""
    return all(log[at + 1] == f"end {log[at].split()[1]}" for at in range(0, len(log), 2))


def said(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    return out


def test_the_second_waits_and_says_for_whom(start: Start, tmp_path: Path) -> None:
    first = start(sys.executable, "worker.py", "a", "3")
    wait_for(lambda: lines(tmp_path) == ["begin a"])
    second = start(sys.executable, "worker.py", "b", "0")
    out = said(second)
    assert out.count("waiting for") == 1
    assert f"waiting for `test a` (process {first.pid}), running since 20" in out
    assert lines(tmp_path) == ["begin a", "end a", "begin b", "end b"]


def test_a_killed_run_gives_its_place_to_the_next(start: Start, tmp_path: Path) -> None:
    first = start(sys.executable, "worker.py", "a", "600")
    wait_for(lambda: lines(tmp_path) == ["begin a"])
    os.kill(first.pid, signal.SIGKILL)
    assert said(start(sys.executable, "worker.py", "b", "0")) == ""


def test_the_work_of_a_run_is_part_of_it(start: Start, tmp_path: Path) -> None:
    first = start(sys.executable, "run.py", "a", "b", "c")
    wait_for((tmp_path / "held").exists)
    second = start(sys.executable, "run.py", "d", "e")
    assert "waiting" not in said(first)
    assert "waiting for `test run`" in said(second)
    assert [line.split()[1] for line in lines(tmp_path)] == ["a", "a", "b", "b", "c", "c", "d", "d", "e", "e"]


def test_work_that_outlives_its_killed_run_is_waited_for(start: Start, tmp_path: Path) -> None:
    first = start(sys.executable, "run.py", "a")
    wait_for(lambda: lines(tmp_path) == ["begin a"])
    os.kill(first.pid, signal.SIGKILL)
    said(start(sys.executable, "run.py", "b"))
    assert lines(tmp_path) == ["begin a", "end a", "begin b", "end b"]


def test_a_wait_can_be_ended(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages import lock

    start(sys.executable, "worker.py", "a", "600")
    wait_for(lambda: lines(tmp_path) == ["begin a"])

    def end() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), lock.work(tmp_path, "test", pytest.fail, end):
        pass


@pytest.fixture
def pipeline(start: Start, tmp_path: Path) -> Path:
    """A DVC project: `first` always runs, `second` reads what it wrote."""
    stages = {"first": "", "second": "first"}
    text = "stages:\n"
    for name, dep in stages.items():
        text += f"  {name}:\n    cmd: python worker.py {name} 1 && cp worker.py {name}\n    outs: [{name}]\n"
        text += f"    deps: [{dep}, knob]\n" if dep else "    always_changed: true\n"
    (tmp_path / "dvc.yaml").write_text(text)
    (tmp_path / "knob").write_text("1")
    said(start("git", "init", "--quiet"))
    said(start("dvc", "init", "--quiet"))
    return tmp_path


def claimed_and_laid_down(root: Path, dvc: subprocess.Popen[str]) -> None:
    """Returns when a stage of this `dvc` has begun to wait."""
    rwlock = root / ".dvc/tmp/rwlock"
    wait_for(lambda: rwlock.exists() and str(dvc.pid) in rwlock.read_text())
    wait_for(lambda: str(dvc.pid) not in rwlock.read_text())


def test_two_dvc_repro_take_turns(start: Start, pipeline: Path) -> None:
    (pipeline / "hold").touch()
    first = start("dvc", "repro")
    wait_for(lambda: lines(pipeline) == ["begin first"])
    second = start("dvc", "repro")
    claimed_and_laid_down(pipeline, second)
    time.sleep(1.5)
    (pipeline / "hold").unlink()
    said(first)
    out = said(second)
    assert f"waiting for `dvc repro` (process {first.pid})" in out
    log = lines(pipeline)
    assert in_turn(log)
    ran = [line.split()[1] for line in log[::2]]
    assert ran == ["first", "second", "first"], "the second began after the whole of the first and found the rest done"
    assert "up to date" in said(start("dvc", "status", "second"))


def test_another_run_waits_for_all_of_dvc_repro(start: Start, pipeline: Path) -> None:
    dvc = start("dvc", "repro")
    wait_for(lambda: "begin first" in lines(pipeline))
    out = said(start(sys.executable, "worker.py", "other", "0"))
    assert f"waiting for `dvc repro` (process {dvc.pid})" in out
    assert [line.split()[1] for line in lines(pipeline)[::2]] == ["first", "second", "other"]
    said(dvc)


def test_dvc_repro_waits_for_another_run(start: Start, pipeline: Path) -> None:
    """Its claims on files must not stop the run that it waits for."""
    (pipeline / "hold").touch()
    start(sys.executable, "worker.py", "other", "0")
    wait_for(lambda: lines(pipeline) == ["begin other"])
    dvc = start("dvc", "repro")
    claimed_and_laid_down(pipeline, dvc)
    time.sleep(1.5)
    assert lines(pipeline) == ["begin other"]
    (pipeline / "hold").unlink()
    out = said(dvc)
    assert "waiting for `test other`" in out
    assert [line.split()[1] for line in lines(pipeline)[::2]] == ["other", "first", "second"]


def test_a_killed_dvc_gives_its_place_to_the_next(start: Start, pipeline: Path) -> None:
    dvc = start("dvc", "repro")
    wait_for(lambda: lines(pipeline) == ["begin first"])
    os.killpg(dvc.pid, signal.SIGKILL)
    said(start(sys.executable, "worker.py", "other", "0"))
    assert lines(pipeline) == ["begin first", "begin other", "end other"]


def test_a_run_in_another_container_is_waited_for(start: Start, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or start("unshare", "--pid", "--fork", "--mount-proc", "true").wait():
        pytest.skip("no process namespaces of one's own here")
    start("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "worker.py", "a", "3")
    wait_for(lambda: lines(tmp_path) == ["begin a"])
    out = said(start(sys.executable, "worker.py", "b", "0"))
    assert "in another container or machine" in out
    assert lines(tmp_path) == ["begin a", "end a", "begin b", "end b"]
