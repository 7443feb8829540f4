"""The resources of the assets."""

import os
from pathlib import Path

from plates.errors import UserError
from plates.settings.project import Project


def project() -> Project:
    """The project that contains the working folder, with its Dagster instance in use."""
    found = Project.find()
    use_instance(found)
    return found


def use_instance(found: Project) -> None:
    """Points Dagster at the project's instance: `dagster.yaml` in its folder, storage under `.dagster/` there.

    Dagster resolves that path from the working folder, so its commands run in the project's folder, as DVC's do.
    """
    home = instance_home(found.root)
    (found.root / ".dagster").mkdir(exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    # TensorFlow logs a page about drivers and processor flags at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def instance_home(root: Path) -> Path:
    """The folder of Dagster's settings: the project's own, or another instance that `DAGSTER_HOME` names.

    A `DAGSTER_HOME` in another clone, as in a worktree or a DVC experiment, is ignored.

    Raises:
        UserError: `DAGSTER_HOME` names no folder.
    """
    given = os.environ.get("DAGSTER_HOME")
    if not given:
        return root
    home = Path(os.path.expanduser(given)).absolute()
    if not home.is_dir():
        raise UserError(
            f"DAGSTER_HOME is {given}, which does not exist. To keep the history of runs in the project: unset "
            "DAGSTER_HOME"
        )
    return root if (home / "dvc.yaml").is_file() and (home / "params.yaml").is_file() else home
