"""The project's state: what is in service, running, waiting and out of date, what failed and why, what is automatic."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

import assets
from pipelines import tags
from pipelines.reason import early, reason
from plates.lineage import champion
from plates.lineage import record as records
from plates.metrics import measured
from plates.settings.project import Project
from stages import dvc_lock, lock
from stages.outdated import changes, gone

SAID = {dg.DagsterRunStatus.SUCCESS: "succeeded", dg.DagsterRunStatus.STARTED: "running, or its process was killed"}
WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
BEGUN = [status for status in dg.DagsterRunStatus if status not in WAITING]
BY_ITSELF = ("new_photographs", "new_deliveries", "weekly_retrain", "default_automation_condition_sensor")
"""What can start a run, by its name in Dagster; all are off until somebody switches them on."""


def lines(project: Project, instance: dg.DagsterInstance) -> Iterator[tuple[str, str]]:
    """A heading and a sentence for each part of the state."""
    yield "in service", in_service(project.root)
    yield "running", str(lock.at_work(project.root) or "nothing")
    if waiting := instance.get_runs_count(dg.RunsFilter(statuses=WAITING)):
        yield "waiting", f"{waiting} {'run' if waiting == 1 else 'runs'} in Dagster's queue: plates ui"
    yield "last run", last_run(instance)
    yield "to make", to_make(project)
    yield "automatic", "; ".join(by_itself(instance)) or "nothing: switch on the schedule or the sensor in plates ui"


def in_service(root: Path) -> str:
    """The model in service, its figures, and why it was chosen."""
    made = champion.decisions(root)
    if not made or made[-1].after is None:
        return "no model yet: plates run"
    record = records.find(root, made[-1].after)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in measured(record.metrics).items())
    last = "" if made[-1].promoted else f". The last challenger, {made[-1].challenger[:8]}, was refused"
    said = f"record {record.short} of {_minute(record.time)}: {figures}{last}: {made[-1].reason}"
    return f"{said}. But {wrong}" if (wrong := champion.another(root)) else said


def last_run(instance: dg.DagsterInstance) -> str:
    """When the last run in Dagster began, from where it was started, and how it ended."""
    run = next(iter(instance.get_run_records(dg.RunsFilter(statuses=BEGUN), limit=1)), None)
    if run is None:
        return "none yet: plates run"
    of = run.dagster_run
    named = f"{run.create_timestamp:%Y-%m-%d %H:%M} UTC, {of.tags.get(tags.DOOR, 'dagster')}"
    if of.status != dg.DagsterRunStatus.FAILURE:
        return f"{named}: {SAID.get(of.status, of.status.value.lower())}"
    for entry in instance.all_logs(of.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        if (event := entry.dagster_event) and event.step_key:
            return f"{named}: failed at {event.step_key}: {reason(event)}"
    return f"{named}: failed before any asset started: {early(instance, of.run_id)}"


def to_make(project: Project) -> str:
    """The assets that are out of date and what changed, as far as known without a scan; and those after them."""
    graph, entries = assets.graph(), dvc_lock.read(project.root)
    maker = assets.writers(graph)
    changed: dict[str, list[str]] = {}
    after: list[str] = []
    for name, stage in graph.items():
        why = changes(project, stage, entries, maker)
        if name in entries:
            why += gone(project, stage)
        if why:
            changed[name] = why
        elif {maker[path].name for path in stage.reads} & {*changed, *after}:
            after.append(name)
    if not changed:
        return "nothing. To look for new and changed photographs: plates run"
    said = ", ".join(f"{name} ({', '.join(why)})" for name, why in changed.items())
    then = f"; after that {', '.join(after)}" if after else ""
    return f"{said}{then}. Make it: plates run"


def by_itself(instance: dg.DagsterInstance) -> Iterator[str]:
    """The schedules and sensors that are on, each with its last message."""
    for state in instance.all_instigator_state():
        if state.instigator_name not in BY_ITSELF or not state.is_running:
            continue
        tick = next(iter(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)), None)
        said = (tick.skip_reason or tick.status.value.lower()) if tick else "has not looked yet"
        yield f"{state.instigator_name} is on ({said})"


def _minute(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M}"
