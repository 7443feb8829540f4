"""One run of the toy, both heads, for all that is asked of a finished run."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import toy

from plates.efficientdet.training.loop import Result


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> tuple[Result, list[str]]:
    """The run of `toy.train_both`, and what it said."""
    folder = tmp_path_factory.mktemp("run")
    said: list[str] = []
    return toy.train_both(folder, said.append), said
