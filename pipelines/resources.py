"""What the assets are given to work with."""

import os

from settings.project import Project


def project() -> Project:
    """The project around the working folder, with Dagster's own folder named for `dagster.yaml`."""
    found = Project.find()
    use_instance(found)
    return found


def use_instance(found: Project) -> None:
    """Points Dagster at the project's instance: `dagster.yaml` in its folder, everything it keeps under `.dagster/`."""
    store = found.root / ".dagster"
    store.mkdir(exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(found.root))
    os.environ.setdefault("PLATES_DAGSTER", str(store))
    # TensorFlow writes a page about drivers and processor flags at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
