"""Dagster's webserver for this project, behind the guard: `python -m pipelines.webserver PORT`.

`dagster dev` and `dagster-webserver` cannot wrap their application in another: this does what they do, with Dagster's
private classes.
In a container, it listens on the container's network (`--host`) and uses a code location elsewhere (`--workspace`).
"""

import argparse
from pathlib import Path

import dagster as dg
import uvicorn
from dagster_webserver.app import create_app_from_workspace_process_context

from pipelines.dagster_private import WorkspaceFileTarget, WorkspaceProcessContext
from pipelines.guard import Guard
from pipelines.resources import project

POLL_MS = 2000
CLOSING_S = 5


def serve(port: int, host: str, workspace: Path) -> None:
    """Serves until it is told to stop."""
    target = WorkspaceFileTarget([str(workspace)])
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MS)
        uvicorn.run(Guard(app), host=host, port=port, log_level="warning", timeout_graceful_shutdown=CLOSING_S)


if __name__ == "__main__":
    root = project().root
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--workspace", type=Path, default=root / "workspace.yaml")
    given = parser.parse_args()
    serve(given.port, given.host, given.workspace)
