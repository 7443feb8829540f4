"""A run whose process was killed is ended, and gives its place in a pool back; no other is touched."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from pipelines import lost, tags
from pipelines.materialize import wait_for_pools
from pipelines.repro import ends
from stages import lock
from stages.processes import Process

STATUS = dg.DagsterRunStatus


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


@pytest.fixture
def killed() -> Process:
    running = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    process = Process.of(running.pid)
    assert process.ended() is False
    running.kill()
    while not process.ended():  # nobody has waited for it yet: it is a zombie
        time.sleep(0.01)
    running.wait()
    return process


def run(instance: dg.DagsterInstance, given: dict[str, str]) -> str:
    """A run that has begun, with a place in the pool `gpu`."""
    job = dg.GraphDefinition(name="training").to_job()
    found = instance.create_run_for_job(job, status=STATUS.STARTED, tags=given)
    instance.event_log_storage.set_concurrency_slots("gpu", 1)
    instance.event_log_storage.claim_concurrency_slot("gpu", found.run_id, "checkpoint")
    return found.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> STATUS:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return found.status


def slots(instance: dg.DagsterInstance) -> list[str]:
    return [slot.run_id for slot in instance.event_log_storage.get_concurrency_info("gpu").claimed_slots]


def test_a_killed_run_of_dagster_is_ended(instance: dg.DagsterInstance, tmp_path: Path, killed: Process) -> None:
    gone = run(instance, lost.launched(tmp_path, killed))
    assert slots(instance) == [gone]
    assert lost.end(instance, tmp_path) == [gone]
    assert status(instance, gone) == STATUS.FAILURE
    assert slots(instance) == []
    assert lost.end(instance, tmp_path) == []


def test_a_run_that_is_alive_or_of_another_project_is_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path, killed: Process
) -> None:
    (tmp_path / "other").mkdir()
    mine = lost.launched(tmp_path, Process.of(os.getpid()))
    others = lost.launched(tmp_path / "other", killed)
    runs = [run(instance, given) for given in (mine, others, {})]
    assert lost.end(instance, tmp_path, elsewhere=True) == []
    assert {status(instance, one) for one in runs} == {STATUS.STARTED}


def test_a_run_in_another_container_is_over_if_nobody_was_at_work_for_long(
    instance: dg.DagsterInstance, tmp_path: Path, killed: Process
) -> None:
    gone = run(instance, lost.launched(tmp_path, replace(killed, host="another")))
    assert lost.end(instance, tmp_path) == []
    assert lost.end(instance, tmp_path, elsewhere=True) == [gone]


def test_what_ran_before_the_machine_started_again_is_over(killed: Process) -> None:
    assert replace(Process.of(os.getpid()), boot="another").ended() is True
    assert replace(Process.of(os.getpid()), host="another").ended() is None


def test_nothing_begins_while_the_project_is_looked_at(tmp_path: Path) -> None:
    with lock.idle(tmp_path) as idle:
        assert idle
    with lock.work(tmp_path, "plates run", print), lock.idle(tmp_path) as idle:
        assert not idle


def test_a_pool_that_another_run_has_is_waited_for_in_words(
    instance: dg.DagsterInstance, tmp_path: Path, killed: Process
) -> None:
    other = run(instance, {tags.LAUNCHED: "another project"})
    said: list[str] = []

    def stop(line: str) -> None:
        said.append(line)
        instance.report_run_failed(instance.get_run_by_id(other))

    wait_for_pools(instance, {"gpu"}, stop)
    assert other[:8] in said[0]
    assert slots(instance) == []


def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    usual = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert ends() == [signal.SIGTERM, signal.SIGHUP]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert ends() == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, usual)
