"""Reports a run that failed unattended: a line in the log, a file, and the user's own command."""

import logging
import subprocess

import dagster as dg

from pipelines import tags
from pipelines.reason import early, reason
from plates.files import atomic
from plates.settings.project import Project

FILE = ".plates/failed.txt"
PATIENCE_S = 60


@dg.run_failure_sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Reports why a run from the UI, sensor or schedule failed: in {FILE}, and to retrain.on_failure.",
)
def failed_runs(context: dg.RunFailureSensorContext, project: dg.ResourceParam[Project]) -> dg.SkipReason | None:
    """Reports one failed run. `plates run` and `dvc repro` have reported theirs in the terminal."""
    if tags.PROJECT in context.dagster_run.tags:
        return dg.SkipReason(f"run {context.dagster_run.run_id[:8]} was started in a terminal")
    said = words(context)
    context.log.error(said)
    with atomic(project.root / FILE) as temporary:
        temporary.write_text(said, encoding="utf-8")
    command = Project(project.root).params.retrain.on_failure
    if command:
        tell(context.log, command, said, project)
    return None


def words(context: dg.RunFailureSensorContext) -> str:
    """Which run failed, where, why, and what to do."""
    run = context.dagster_run
    reasons = [f"{event.step_key}: {reason(event)}" for event in context.get_step_failure_events()]
    why = "\n".join(reasons) or early(context.instance, run.run_id)
    return (
        f"plates: run {run.run_id[:8]} ({run.job_name}) failed\n{why}\n"
        "Finished work is kept. See plates status; once the cause is fixed: plates run\n"
    )


def tell(log: logging.Logger, command: str, said: str, project: Project) -> None:
    """Runs the user's command with the report on its standard input; if the command fails, that is only logged."""
    try:
        done = subprocess.run(
            command,
            shell=True,
            cwd=project.root,
            input=said,
            encoding="utf-8",
            errors="replace",
            capture_output=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        log.error(f"retrain.on_failure did not end within {PATIENCE_S} s: {command}")
        return
    if done.returncode:
        log.error(f"retrain.on_failure ended with {done.returncode}: {command}: {done.stderr.strip()}")
