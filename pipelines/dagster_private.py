"""The parts of Dagster's private API that this project uses, each with the reason.

- `InstanceRef`, `NO_CAPTURE`: the instance of a dagster.yaml with one setting replaced; the public call only takes the
  file unchanged.
  - The tags: Dagster uses them to tell whether a result is stale. Its own runs write them; a result that no run made
  must carry the same ones.
- `WorkspaceProcessContext`, `WorkspaceFileTarget`: the webserver's application as an object, to wrap it in the guard;
  `dagster dev` and `dagster-webserver` can only run it.

Dagster is pinned to 1.13 in pyproject.toml; look here first when upgrading it.
"""

from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
    NULL_EVENT_POINTER,
)
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

NO_CAPTURE = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}

__all__ = [
    "CODE_VERSION_TAG",
    "DATA_VERSION_IS_USER_PROVIDED_TAG",
    "DATA_VERSION_TAG",
    "INPUT_DATA_VERSION_TAG_PREFIX",
    "INPUT_EVENT_POINTER_TAG_PREFIX",
    "NO_CAPTURE",
    "NULL_EVENT_POINTER",
    "InstanceRef",
    "WorkspaceFileTarget",
    "WorkspaceProcessContext",
]
