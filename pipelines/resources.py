"""What the assets are given to work with."""

import os

from plates.settings.project import Project


def project() -> Project:
    """The project around the working folder, with its Dagster instance in use."""
    found = Project.find()
    use_instance(found)
    return found


def use_instance(found: Project) -> None:
    """Points Dagster at the project's instance: `dagster.yaml` in its folder, what it keeps under `.dagster/` there.

    Dagster takes that path from the working folder, so that its commands run in the project's folder, as DVC's do.
    """
    (found.root / ".dagster").mkdir(exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(found.root))
    # TensorFlow writes a page about drivers and processor flags at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
