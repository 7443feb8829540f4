"""Which Dagster instance a command works on, whatever `DAGSTER_HOME` says."""

from pathlib import Path

import pytest
from clones import Command

from pipelines.resources import instance_home, use_instance
from plates.errors import UserError
from plates.settings.project import Project


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The folder of another clone."""
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("dvc.yaml", "params.yaml", "dagster.yaml"):
        (folder / name).touch()
    return folder


def test_a_missing_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("/nonexistent", "~/nonexistent", "nonexistent"):
        monkeypatch.setenv("DAGSTER_HOME", given)
        with pytest.raises(UserError, match=f"DAGSTER_HOME is {given}, which does not exist.*unset DAGSTER_HOME"):
            instance_home(tmp_path)


def test_a_folder_however_written_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for given in (str(tmp_path / "dagster"), "~/dagster", "dagster"):
        monkeypatch.setenv("DAGSTER_HOME", given)
        assert instance_home(tmp_path / "project") == tmp_path / "dagster"


def test_that_of_another_clone_is_not_meant(tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    assert instance_home(tmp_path) == tmp_path
    monkeypatch.delenv("DAGSTER_HOME")
    assert instance_home(tmp_path) == tmp_path
    use_instance(Project(tmp_path))
    assert (tmp_path / ".dagster").is_dir()


def test_dg_sends_nothing(fresh: tuple[Path, Command], tmp_path: Path) -> None:
    root, call = fresh
    home = tmp_path / "home"
    home.mkdir()
    done = call("env", f"HOME={home}", f"DAGSTER_HOME={root}", "dg", "list", "defs", "--json")
    assert "telemetry" not in (done.stdout + done.stderr).lower()
    assert list(home.rglob("event.log")) == []
    assert '"raw_images"' in done.stdout
