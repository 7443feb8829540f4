"""Dagster's webserver on this project, behind the guard: `python -m pipelines.webserver PORT`.

`dagster dev` and `dagster-webserver` take no application of one's own around theirs: this does what they do, with
Dagster's classes, which have no public name.
"""

import sys

import dagster as dg
import uvicorn
from dagster_webserver.app import create_app_from_workspace_process_context

from pipelines.dagster_private import WorkspaceFileTarget, WorkspaceProcessContext
from pipelines.guard import Guard
from pipelines.resources import project

HOST = "127.0.0.1"
POLL_MS = 2000
CLOSING_S = 5


def serve(port: int) -> None:
    """Serves until it is told to stop."""
    workspace = WorkspaceFileTarget([str(project().root / "workspace.yaml")])
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, workspace) as context:
        app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MS)
        uvicorn.run(Guard(app), host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=CLOSING_S)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
