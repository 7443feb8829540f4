"""What Dagster's daemon does after it was down at the scheduled time."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from clones import Command
from dagster._core.scheduler.instigation import InstigatorState, ScheduleInstigatorData

from pipelines.schedules import weekly_retrain

pytestmark = pytest.mark.long

PATIENCE_S = 300
WEEKS = 3


def test_of_the_mondays_missed_only_the_last_is_made_up_for(
    fresh: tuple[Path, Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, call = fresh
    call("dagster", "schedule", "start", weekly_retrain.name, "--workspace", "workspace.yaml")
    monkeypatch.chdir(root)  # dagster.yaml names its folders from there
    with dg.DagsterInstance.from_config(str(root)) as instance:
        state = next(one for one in instance.all_instigator_state() if one.name == weekly_retrain.name)
        instance.update_instigator_state(down_since(state, datetime.now(UTC) - timedelta(weeks=WEEKS)))
        daemon = subprocess.Popen(
            [Path(sys.executable).with_name("dagster-daemon"), "run", "--workspace", "workspace.yaml"],
            env={**os.environ, "DAGSTER_HOME": str(root), "PYTHONPATH": str(root)},
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while (
                not (ticks := instance.get_ticks(state.instigator_origin_id, state.selector_id)) or not ticks[0].run_ids
            ):
                assert time.monotonic() < deadline, "no run"
                time.sleep(0.5)
            time.sleep(5)  # the next looks of the daemon
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.wait(PATIENCE_S)
        (tick,) = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        assert len(tick.run_ids) == instance.get_runs_count() == 1
        monday = datetime.fromtimestamp(tick.timestamp, UTC)
        assert (monday.weekday(), monday.hour) == (0, 3)
        assert datetime.now(UTC) - monday < timedelta(weeks=1)


def down_since(state: InstigatorState, time: datetime) -> InstigatorState:
    """The schedule's state as it is where the daemon has not looked since `time`."""
    return state.with_data(ScheduleInstigatorData(weekly_retrain.cron_schedule, time.timestamp()))
