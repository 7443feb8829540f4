"""Runs whose process was killed: Dagster goes on counting them as running, and lets no other begin."""

import json
from dataclasses import asdict
from pathlib import Path

import dagster as dg

from pipelines import tags
from plates.settings.project import Project
from stages import lock
from stages.processes import Process

MESSAGE = "the process of this run was killed"


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed (a power cut, no memory left), so that the next can begin.",
)
def lost_runs(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SkipReason:
    """Ends them while no run is at work; the cursor says whether none was at the last look either."""
    with lock.idle(project.root) as idle:
        ended = end(context.instance, project.root, elsewhere=context.cursor == "idle") if idle else []
    context.update_cursor("idle" if idle else "")
    return dg.SkipReason(f"ended {', '.join(run[:8] for run in ended)}: {MESSAGE}" if ended else "no run was lost")


def end(instance: dg.DagsterInstance, root: Path, *, elsewhere: bool = False) -> list[str]:
    """Marks as failed the runs on this project whose process is gone, frees their places in pools; returns their ids.

    The caller holds the project, or knows that nobody does, so no run of a terminal is alive but its own.

    Args:
        elsewhere: whether those in other containers and on other machines are over too: no run was at work for long.
    """
    found = []
    for tag in (tags.PROJECT, tags.LAUNCHED):
        mine = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={tag: lock.project_id(root)})
        for run in instance.get_runs(filters=mine):
            if tag == tags.PROJECT or _is_gone(run, elsewhere):
                instance.report_run_failed(run, message=MESSAGE)
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                found.append(run.run_id)
    return found


def launched(root: Path, process: Process) -> dict[str, str]:
    """The tags by which a run of `process`, which Dagster launched, is known to be alive."""
    return {tags.LAUNCHED: lock.project_id(root), tags.PROCESS: json.dumps(asdict(process))}


def _is_gone(run: dg.DagsterRun, elsewhere: bool) -> bool:
    ended = Process(**json.loads(run.tags[tags.PROCESS])).ended()
    return elsewhere if ended is None else ended
