"""The `plates` command in this process, and a project whose data assets ran."""

from collections.abc import Callable
from pathlib import Path

import doors
import pytest
from once import once

from pipelines import cli


@pytest.fixture(scope="session")
def data_ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project whose data assets ran (`doors.make`). Not to be changed."""
    return once(tmp_path_factory, "data_ran", doors.make)


@pytest.fixture
def plates(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; gives its exit code, standard output and standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["plates", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call
