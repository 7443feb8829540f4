"""What starts a run when the world changes."""

import json
import time

import dagster as dg

from pipelines.jobs import retrain
from plates.photographs.watch import Look, changes, look
from plates.settings.project import Project

SENSOR, SEEN = "plates/sensor", "plates/photographs"
"""Tags of a run that the sensor asked for: its name, and the fingerprint of the photographs that lay there."""

LAST = dg.AssetKey("model_card")
"""What a run makes that went through."""


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Retrains when photographs came, changed or went since the last scan and are at rest (the settings "
    "under retrain). Off until you switch it on.",
)
def new_photographs(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
) -> dg.RunRequest | dg.SkipReason:
    """Asks for a run where the photographs at rest are not those of the last scan, or where the run on them failed."""
    project = Project(project.root)  # as params.yaml is now
    root, settings = project.photographs, project.params.retrain
    if not root.is_dir():
        return dg.SkipReason(f"{root} is not there yet")
    found = look(root)
    if found.unreadable:
        return dg.SkipReason(f"{len(found.unreadable)} of {root} cannot be read: {'; '.join(found.unreadable[:3])}")
    if not len(found.photographs):
        return dg.SkipReason(f"no photograph under {root}: is its disk there?")
    if rests_for(context, found) < settings.settle_minutes:
        return dg.SkipReason(f"the folders are changing: waiting until they rest for {settings.settle_minutes:g} min")
    return after_last_run(context.instance, found, settings.attempts) or after_last_scan(project, found)


def rests_for(context: dg.SensorEvaluationContext, found: Look) -> float:
    """Minutes for which every look found the same; -1 at the first. The cursor keeps since when."""
    now = time.time()
    try:
        cursor = json.loads(context.cursor or "")
        same, since = cursor["fingerprint"] == found.fingerprint and cursor["since"] <= now, cursor["since"]
    except (ValueError, TypeError, KeyError):
        same, since = False, now
    if not same:
        context.update_cursor(json.dumps({"fingerprint": found.fingerprint, "since": now}))
        return -1
    return (now - since) / 60


def after_last_run(instance: dg.DagsterInstance, found: Look, attempts: int) -> dg.RunRequest | dg.SkipReason | None:
    """What follows from the last run that was asked for; None where that leaves nothing to do."""
    records = instance.get_run_records(dg.RunsFilter(tags={SENSOR: new_photographs.name}), limit=attempts)
    if not records:
        return None
    run = records[0].dagster_run
    if not run.is_finished:
        return dg.SkipReason(f"run {run.run_id[:8]} is at work")
    seen = run.tags[SEEN] == found.fingerprint
    if run.status != dg.DagsterRunStatus.FAILURE:
        return dg.SkipReason(f"run {run.run_id[:8]} has seen these photographs") if seen else None
    done = instance.get_latest_materialization_event(LAST)
    if done and done.timestamp > records[0].create_timestamp.timestamp():
        return None  # what failed went through since, by another door
    failed = 0
    for record in records:
        if (
            record.dagster_run.status != dg.DagsterRunStatus.FAILURE
            or record.dagster_run.tags[SEEN] != found.fingerprint
        ):
            break
        failed += 1
    if failed >= attempts:
        return dg.SkipReason(
            f"{failed} runs on these photographs failed, the last of them {run.run_id[:8]}: see what it says, then "
            "start retrain, or plates run. Other photographs are tried as they come"
        )
    return request(found, failed)


def after_last_scan(project: Project, found: Look) -> dg.RunRequest | dg.SkipReason:
    """A run where enough photographs are not as the last scan found them."""
    since = changes(found.photographs, project.scan_cache)
    if since is None:
        return dg.SkipReason(
            "nothing was scanned yet, by which new photographs could be told: start retrain, or plates run"
        )
    least = project.params.retrain.min_new
    if not sum(since):
        return dg.SkipReason("no photograph came, changed or went since the last scan")
    if sum(since) < least:
        return dg.SkipReason(f"since the last scan {since}: fewer than retrain.min_new, {least:,}")
    return request(found, 0)


def request(found: Look, failed: int) -> dg.RunRequest:
    """A run on what lies there, after so many that failed on it."""
    return dg.RunRequest(
        run_key=f"{found.fingerprint}:{failed}", tags={SENSOR: new_photographs.name, SEEN: found.fingerprint}
    )
