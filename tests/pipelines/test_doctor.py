"""What `plates doctor` finds in a project that cannot work."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines import doctor
from plates.lineage import git_state
from stages.faults import dvc_in_words


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLATES_ROOT", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_a_folder_that_is_no_repository(root: Path) -> None:
    said = git_state.trouble(root)
    assert said is not None
    assert said.startswith(
        f"{root} is not a Git repository (a ZIP download?), so records name no commit. Make it one: git"
    )
    assert not git_state.in_repository(root)
    assert doctor._git() == doctor.Finding("git", False, *said.split(". ", 1))


def test_a_repository_without_a_commit_and_with_one(root: Path) -> None:
    git(root, "init", "--quiet")
    assert "nothing is committed" in (git_state.trouble(root) or "")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "start")
    assert git_state.trouble(root) is None
    assert git_state.in_repository(root)


def test_a_folder_that_git_refuses(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "init", "--quiet")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "start")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    said = git_state.trouble(root) or ""
    assert said.endswith(f"git config --global --add safe.directory {root}")


@pytest.mark.parametrize(
    ("file", "way_back"),
    [
        ("index", "rm .git/index && git reset"),
        ("HEAD", "echo 'ref: refs/heads/BRANCH' > .git/HEAD"),
        ("objects", "git fetch --refetch"),
    ],
)
def test_a_damaged_repository(root: Path, file: str, way_back: str) -> None:
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "start")
    for one in (root / ".git" / file).rglob("??") if file == "objects" else [root / ".git" / file]:
        shutil.rmtree(one) if one.is_dir() else one.write_bytes(b"")
    assert f"the Git repository of {root} is damaged" in (git_state.trouble(root) or "")
    assert not doctor._git().ok
    assert way_back in dvc_in_words("Having any troubles? Hit us up", root)


def test_no_git_at_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert "Install it: apt-get install git" in (git_state.trouble(root) or "")


def test_an_unfinished_merge(root: Path) -> None:
    assert doctor._merge().ok
    (root / "dvc.lock").write_text("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n")
    found = doctor._merge()
    assert not found.ok
    assert found.found == "dvc.lock has conflict markers of an unfinished merge (lines 1, 3, 5)"
    assert found.fix.startswith("Take one side: git checkout --ours dvc.lock")


def test_a_damaged_history(root: Path) -> None:
    assert doctor._history().ok
    (root / ".dagster/history").mkdir(parents=True)
    (root / ".dagster/history/runs.db").write_bytes(b"noise" * 1000)
    found = doctor._history()
    assert not found.ok
    assert f"mv {root}/.dagster {root}/.dagster.damaged" in found.fix


def test_a_dagster_home_that_is_missing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._instance().ok
    monkeypatch.setenv("DAGSTER_HOME", "/nonexistent")
    found = doctor._instance()
    assert not found.ok
    assert "unset DAGSTER_HOME" in found.fix
