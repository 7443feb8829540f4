"""What keeps every door from working is said in words, before anything is changed."""

import subprocess
from pathlib import Path

from clones import Command

from stages.faults import conflicts, dvc_in_words


def merge(root: Path) -> None:
    """Leaves `root` in the middle of a real merge of two edits of dvc.lock."""
    lock = root / "dvc.lock"

    def git(*words: str) -> int:
        return subprocess.run(["git", *words], cwd=root, capture_output=True).returncode

    lock.write_text("schema: '2.0'\nstages: {}\n")
    git("add", "--force", "dvc.lock")
    git("commit", "-m", "one")
    git("checkout", "-b", "other")
    lock.write_text("schema: '2.0'\nstages: {a: {cmd: x}}\n")
    git("commit", "-am", "theirs")
    git("checkout", "-")
    lock.write_text("schema: '2.0'\nstages: {b: {cmd: y}}\n")
    git("commit", "-am", "ours")
    assert git("merge", "other") == 1


def test_an_unfinished_merge_is_said_through_every_door(fresh: tuple[Path, Command]) -> None:
    root, call = fresh
    merge(root)
    before = (root / "params.yaml").read_bytes()
    said = conflicts(root)
    assert said is not None
    assert said.startswith(
        "dvc.lock has conflict markers of an unfinished merge (lines 2, 4, 6). Take one side: git checkout"
    )
    assert dvc_in_words("'./dvc.lock' is invalid (possible merge conflicts).", root) == said
    dagster = ["dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", "labels"]
    for command in (
        ["python", "-m", "pipelines.cli", "run", "--set", "train.steps=7"],
        ["python", "-m", "pipelines.cli", "materialize", "labels"],
        dagster,
    ):
        done = call(*command, check=False)
        assert done.returncode == 1, command
        assert said in done.stderr.replace("\n", " ") + done.stdout, command
        if command is not dagster:
            assert "Traceback" not in done.stderr
    assert (root / "params.yaml").read_bytes() == before


def test_a_damaged_history_is_said_and_setting_it_aside_helps(fresh: tuple[Path, Command]) -> None:
    root, call = fresh
    (root / ".dagster/history").mkdir(parents=True)
    (root / ".dagster/history/runs.db").write_bytes(b"noise" * 1000)
    materialize = ["python", "-m", "pipelines.cli", "materialize", "labels"]
    done = call(*materialize, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"error: Dagster's history in {root / '.dagster'} is damaged" in done.stderr
    (root / ".dagster").rename(root / ".dagster.damaged")
    assert "needs data/raw_images.parquet" in call(*materialize, check=False).stderr
