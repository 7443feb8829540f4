"""The tags of a run in Dagster, by which the list of runs can be filtered."""

import os
from pathlib import Path

import dagster as dg

from plates.lineage.working_tree import git
from stages import lock

RUN = "plates/run"
"""One pipeline run: `plates run` and `dvc repro` make a run in Dagster for each stage, all with the same value."""

PROJECT = "plates/project"
"""The working copy that a run of `plates materialize` works on."""

LAUNCHED = "plates/launched"
"""The working copy that a run which Dagster launched works on, or waits for."""

PROCESS = "plates/process"
"""The process of such a run."""

DOOR = "plates/door"
COMMIT = "plates/commit"
EXPERIMENT = "plates/experiment"
"""The name of DVC's experiment."""

RECORD = "plates/record"
"""The id of the record that the run made."""


def of(root: Path, turn: lock.Turn) -> dict[str, str]:
    """The tags of a run that begins now."""
    found = {
        RUN: turn.id,
        DOOR: " ".join(turn.door.split()[:2]),
        COMMIT: (git(root, "rev-parse", "HEAD") or "").strip(),
        EXPERIMENT: os.environ.get("DVC_EXP_NAME"),
    }
    return {name: value for name, value in found.items() if value}


def add_record(instance: dg.DagsterInstance, turn: lock.Turn, event: dg.DagsterEvent) -> None:
    """Tags every run of the turn with the record, if `event` is the model card that names it."""
    if event.event_type != dg.DagsterEventType.ASSET_MATERIALIZATION or event.step_key != "model_card":
        return
    record = event.step_materialization_data.materialization.metadata["record"].value
    for run in instance.get_runs(filters=dg.RunsFilter(tags={RUN: turn.id})):
        instance.add_run_tags(run.run_id, {RECORD: str(record)})
