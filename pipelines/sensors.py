"""What starts a run when the world changes."""

import os
from pathlib import Path

import dagster as dg

from pipelines.jobs import retrain
from plates.settings.project import Project


def newest(root: Path) -> tuple[int, int]:
    """The number of folders under `root` and the newest modification time among them, in nanoseconds.

    A folder's time changes when a file is added, removed or renamed in it, so that 350,000 photographs cost a look at
    a handful of folders. A photograph overwritten in place is seen by the next scan, not by this.
    """
    times = [os.stat(folder).st_mtime_ns for folder, _, _ in os.walk(root)]
    return len(times), max(times, default=0)


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Retrains when photographs were added under data.root or removed from it. Off until you switch it on.",
)
def new_photographs(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SensorResult:
    """Asks for a run when the folders under `data.root` are not as they were at the last look."""
    if not project.photographs.is_dir():
        return dg.SensorResult(skip_reason=f"{project.photographs} is not there yet")
    folders, time_ns = newest(project.photographs)
    seen = f"{folders}:{time_ns}"
    if context.cursor is None:
        return dg.SensorResult(skip_reason="first look: remembering what is there", cursor=seen)
    if context.cursor == seen:
        return dg.SensorResult(skip_reason="no photograph came or went")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=seen)], cursor=seen)
