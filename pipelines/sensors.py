"""What starts a run when the world changes."""

import json
import time

import dagster as dg

from pipelines.jobs import retrain
from plates.errors import UserError
from plates.photographs.watch import Look, changes, look
from plates.settings.project import Project
from stages import lock

SENSOR, SEEN = "plates/sensor", "plates/photographs"
"""Tags of a run that the sensor requested: for which working copy, and the fingerprint of its photographs then."""

LAST = dg.AssetKey("champion")
"""The last asset of a successful run: the model has been judged."""


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Retrains when photographs were added, changed or removed since the last scan and are stable (settings "
    "under retrain). Off until you switch it on.",
)
def new_photographs(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
) -> dg.RunRequest | dg.SkipReason:
    """Requests a run if the stable photographs differ from those of the last scan, or if the run on them failed."""
    project = Project(project.root)  # as params.yaml is now
    root, settings = project.photographs, project.params.retrain
    try:
        if not root.is_dir():
            return dg.SkipReason(f"{root} does not exist yet")
        found = look(root)
    except UserError as error:
        return dg.SkipReason(str(error))
    if found.unreadable:
        return dg.SkipReason(f"{len(found.unreadable)} in {root} cannot be read: {'; '.join(found.unreadable[:3])}")
    if not len(found.photographs):
        return dg.SkipReason(f"no photograph under {root}: is its disk mounted?")
    rested = rests_for(context, found)
    answer = after_last_run(context.instance, project, found, settings.attempts) or after_last_scan(project, found)
    if isinstance(answer, dg.RunRequest) and rested < settings.settle_minutes:
        return dg.SkipReason(
            f"photographs have changed: waiting until they are stable for {settings.settle_minutes:g} min, so far for "
            f"{max(rested, 0):.1f} min"
        )
    return answer


def rests_for(context: dg.SensorEvaluationContext, found: Look) -> float:
    """Minutes for which every look found the same; -1 at the first. The cursor keeps the start time."""
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


def after_last_run(
    instance: dg.DagsterInstance, project: Project, found: Look, attempts: int
) -> dg.RunRequest | dg.SkipReason | None:
    """What to do about the last requested run; None if there is nothing to do."""
    copy = lock.project_id(project.root)  # clones may share an instance
    records = instance.get_run_records(dg.RunsFilter(tags={SENSOR: copy}), limit=attempts)
    if not records:
        return None
    run = records[0].dagster_run
    if not run.is_finished:
        return dg.SkipReason(f"run {run.run_id[:8]} is in progress")
    seen = run.tags[SEEN] == found.fingerprint
    if run.status != dg.DagsterRunStatus.FAILURE:
        return dg.SkipReason(f"run {run.run_id[:8]} has seen these photographs") if seen else None
    done, own = instance.get_latest_materialization_event(LAST), {record.dagster_run.run_id for record in records}
    if done and done.run_id not in own and done.timestamp > records[0].create_timestamp.timestamp():
        return None  # a run from elsewhere has succeeded since
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
            f"{failed} runs on these photographs failed, the last of them {run.run_id[:8]}: look at its error, then "
            "start retrain, or plates run. New photographs are tried again"
        )
    return request(project, found, failed)


def after_last_scan(project: Project, found: Look) -> dg.RunRequest | dg.SkipReason:
    """A run if enough photographs differ from the last scan."""
    since = changes(found.photographs, project.scan_cache)
    if since is None:
        return dg.SkipReason("there is no scan yet to compare with: start retrain, or plates run")
    least = project.params.retrain.min_new
    if not sum(since):
        return dg.SkipReason("no photograph was added, changed or removed since the last scan")
    if sum(since) < least:
        return dg.SkipReason(f"since the last scan {since}: fewer than retrain.min_new, {least:,}")
    return request(project, found, 0)


def request(project: Project, found: Look, failed: int) -> dg.RunRequest:
    """A run on the photographs that are there, after `failed` failed runs on them."""
    copy = lock.project_id(project.root)
    return dg.RunRequest(run_key=f"{copy}:{found.fingerprint}:{failed}", tags={SENSOR: copy, SEEN: found.fingerprint})
