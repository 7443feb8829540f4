from pathlib import Path

import pytest
from clones import Command, clone, commands

SMALL = (
    *("data.sample.count=80", "model.image_size=96x160", "anchors.min_recall=0.5"),
    *("train.steps=12", "train.batch_size=4", "gate.min_value=0"),
)


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[Path, Command]:
    """A project in which nothing has run yet."""
    folder = clone(tmp_path / "project")
    return folder, commands(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Command]:
    """A project in which `plates run` went from nothing to a champion, on a small sample and few steps."""
    folder = clone(tmp_path_factory.mktemp("finished") / "project")
    call = commands(folder)
    call("plates", "run", *(word for setting in SMALL for word in ("--set", setting)))
    return folder, call
