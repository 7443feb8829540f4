import json
import subprocess
import sys
from pathlib import Path

import pytest

from plates.errors import UserError
from plates.lineage import record as records
from plates.lineage.restore import restore

STAGES = {
    "made": {"cmd": "true", "outs": ["data/made.txt"]},
    "model_card": {"cmd": "true", "deps": ["data/made.txt"], "outs": [{"card.md": {"cache": False}}]},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Git and DVC repository with one stage whose output is in DVC's cache."""
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "test"],
        [sys.executable, "-m", "dvc", "init", "-q"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": STAGES}))
    return tmp_path


def make(project: Path, content: str, params: str) -> records.Record:
    made = project / "data" / "made.txt"
    made.parent.mkdir(exist_ok=True)
    made.unlink(missing_ok=True)
    made.write_text(content)
    (project / "params.yaml").write_text(params)
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-f", "-q", "made"], cwd=project, check=True)
    return records.write(project, {"mAP": len(content) / 10}, {"text": params})


def test_the_same_evaluation_is_one_record_and_another_is_another(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    assert make(project, "one", "a: 1\n") == first
    second = make(project, "three", "a: 1\n")
    assert second.id != first.id
    assert {record.id for record in records.read_all(project)} == {first.id, second.id}
    assert first.outputs["data/made.txt"] != second.outputs["data/made.txt"]
    changed = {what for what, _, _ in records.differences(first, second)}
    assert changed == {"outputs: data/made.txt", "metrics: mAP"}


def test_restore_brings_data_and_parameters_back(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    kept = restore(project, records.find(project, first.id[:6]))
    assert (project / "data/made.txt").read_text() == "one"
    assert (project / "params.yaml").read_text() == "a: 1\n"
    assert (kept / "params.yaml").read_text() == "a: 2\n"


def test_a_restore_that_the_cache_cannot_serve_changes_nothing(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    digest = first.outputs["data/made.txt"]
    (project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    with pytest.raises(UserError, match="no longer holds"):
        restore(project, first)
    assert (project / "data/made.txt").read_text() == "three"
    assert (project / "params.yaml").read_text() == "a: 2\n"


def test_a_damaged_record_is_named(project: Path) -> None:
    record = make(project, "one", "a: 1\n")
    path = project / records.FOLDER / f"{record.id}.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=record.id):
        records.read_all(project)


def test_an_ambiguous_or_unknown_id_is_refused(project: Path) -> None:
    make(project, "one", "a: 1\n")
    make(project, "two!", "a: 1\n")
    with pytest.raises(UserError, match="2 records"):
        records.find(project, "")
    with pytest.raises(UserError, match="no record"):
        records.find(project, "zz")
