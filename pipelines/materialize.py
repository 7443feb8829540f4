"""Running assets in this process, with their checks, on the project's Dagster instance."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

import assets
from pipelines import lost, restored, tags
from pipelines.dagster_private import NO_CAPTURE, InstanceRef
from pipelines.reason import check_failed, early, reason
from plates.errors import UserError
from stages import faults, lock

SHOWN = 10
"""How many figures of an asset fit on a line."""

LOOK_S = 0.5

TERMINAL: Any = {"compute_logs": NO_CAPTURE}
"""Printed output goes to the terminal: captured for the UI, it would show no progress bars."""


def materialize(root: Path, names: Sequence[str], turn: lock.Turn, say: Callable[[str], None]) -> list[str]:
    """Materializes the named assets in the order of the graph; returns what went wrong, empty if nothing did.

    A failed check of severity ERROR counts as a failure.

    Args:
        root: The project's folder, whose lock the caller holds.
        names: Assets, in any order.
        turn: The run that this is part of.
        say: Takes a line for each asset made and for each warning.
    """
    from pipelines.definitions import defs

    known = assets.graph()
    if unknown := sorted(set(names) - known.keys()):
        raise UserError(f"no such asset: {', '.join(unknown)}. There are {', '.join(sorted(known))}.")
    if said := faults.conflicts(root):
        raise UserError(said)
    ref = InstanceRef.from_dir(os.environ["DAGSTER_HOME"], overrides=TERMINAL)
    with dg.DagsterInstance.from_ref(ref) as instance:
        lost.end(instance, root)
        wait_for_pools(instance, {pool for name in names if (pool := known[name].pool)}, say)
        restored.report(root, instance)
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            tags={tags.PROJECT: lock.project_id(root), **tags.of(root, turn)},
            asset_selection=[dg.AssetKey(name) for name in names],
            raise_on_error=False,
        )
        for event in result.all_events:
            tags.add_record(instance, turn, event)
    failures = []
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            say(_line(event))
        if event.event_type == dg.DagsterEventType.STEP_FAILURE and not check_failed(event):
            failures.append(f"{event.step_key}: {reason(event)}")
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            said = f"{check.asset_key.to_user_string()}: check {check.check_name}: {check.description}"
            if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
                failures.append(said)
            elif not check.passed:
                say(f"  warning: {said}")
    if not result.success and not failures:
        failures.append(f"Dagster's run failed before any asset started: {early(instance, result.run_id)}")
    return failures


def wait_for_pools(instance: dg.DagsterInstance, pools: Iterable[str], say: Callable[[str], None]) -> None:
    """Waits until no run has a place in one of the pools: of another project, if both have one `DAGSTER_HOME`.

    Dagster's executor would wait too, without a word, and deaf to Ctrl-C.
    """
    told: set[str] = set()
    while holders := {
        slot.run_id: pool
        for pool in pools
        for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots
    }:
        for run_id, pool in holders.items():
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                instance.event_log_storage.free_concurrency_slots_for_run(run_id)
            elif run_id not in told:
                say(
                    f"waiting for Dagster's run {run_id[:8]} in {instance.root_directory}, which has the pool {pool}. "
                    f"If its process is gone: dagster run delete {run_id}"
                )
                told.add(run_id)
        time.sleep(LOOK_S)


def _line(event: dg.DagsterEvent) -> str:
    """The asset and its first figures: metadata that is a single number or word. The UI shows all of it."""
    made = event.step_materialization_data.materialization
    plain = (dg.IntMetadataValue, dg.FloatMetadataValue, dg.TextMetadataValue)
    figures = {
        name: value.value
        for name, value in made.metadata.items()
        if isinstance(value, plain) and not name.startswith("dagster/")
    }
    seconds = figures.pop("seconds")
    shown = [
        f"{name} {value:,}"
        if isinstance(value, int)
        else f"{name} {value:.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{name} {value:,.0f}"
        if isinstance(value, float)
        else f"{name} {value}"
        for name, value in figures.items()
    ]
    return f"  {made.asset_key.to_user_string()} ({seconds:.1f} s): {', '.join(shown[:SHOWN])}"
