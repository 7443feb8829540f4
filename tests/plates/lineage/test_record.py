"""Records are written once, believed only as they were written, and read whatever version they are of."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from recorded import make

from plates.errors import UserError
from plates.lineage import record as records


def file_of(project: Path, record: records.Record) -> Path:
    return project / records.FOLDER / f"{record.id}.json"


def test_the_same_evaluation_is_one_record_and_another_is_another(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "nothing of the code"], cwd=project, check=True)
    assert make(project, "one", "a: 1\n", door="dvc", runs={"dagster": "2"}) == first
    second = make(project, "three", "a: 1\n")
    assert second.id != first.id
    assert second.after == first.id
    assert [record.id for record in records.read_all(project)] == [first.id, second.id]
    assert first.outputs["data/made.txt"] != second.outputs["data/made.txt"]


def test_what_is_read_is_what_was_written(project: Path) -> None:
    given: dict[str, Any] = {"parents": {"pretrained": "coco"}, "outcomes": "0" * 32, "door": "dagster"}
    record = make(project, "one", "a: 1\n", runs={"dagster": "1"}, **given)
    assert records.read(file_of(project, record)) == record
    assert record.version == records.VERSION
    assert record.seeds == {"train.seed": 3}
    assert (record.parents, record.outcomes, record.door) == tuple(given.values())


def test_another_edit_of_the_same_file_is_another_record(project: Path) -> None:
    """Once both had one id: only the names of changed files were kept."""
    (project / "assets/step.py").write_text("scale = 2\n")
    first = make(project, "one", "a: 1\n")
    (project / "assets/step.py").write_text("scale = 3\n")
    second = make(project, "one", "a: 1\n")
    assert first.id != second.id
    assert "+scale = 2" in first.code["diff"]
    assert "+scale = 3" in second.code["diff"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metrics", {"mAP": 0.777}),
        ("outputs", {"data/made.txt": "0" * 32}),
        ("params", {}),
        ("code", {"commit": None, "changed": None, "tree": "0" * 16, "diff": None}),
        ("time", "2020-01-01T00:00:00+00:00"),
        ("machine", {"processor": "a faster one"}),
        ("params_yaml", "a: 2\n"),
        ("dvc_lock", "stages: {}\n"),
        ("id", "0" * 12),
        ("outcomes", "0" * 32),
        ("seal", None),
        ("version", 1),
    ],
)
def test_an_edit_by_hand_is_marked_and_hides_no_other_record(project: Path, field: str, value: Any) -> None:
    good, bad = make(project, "one", "a: 1\n"), make(project, "three", "a: 1\n")
    path = file_of(project, bad)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, field: value}, indent=2))
    assert records.read_all(project) == [good]
    (unfit,) = records.unfit(project)
    assert unfit.path == path
    assert "was changed after it was written" in unfit.why
    with pytest.raises(UserError, match=f"git checkout -- .*{bad.id}"):
        records.find(project, bad.id)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}', '{"version": 99}', "\xff"])
def test_a_damaged_record_hides_no_other(project: Path, content: str) -> None:
    good = make(project, "one", "a: 1\n")
    broken = project / records.FOLDER / "0123456789ab.json"
    broken.write_bytes(content.encode("latin-1"))
    assert records.read_all(project) == [good]
    assert [(unfit.path, "is not a record" in unfit.why) for unfit in records.unfit(project)] == [(broken, True)]


def test_layout_of_the_file_does_not_matter(project: Path) -> None:
    record = make(project, "one", "a: 1\n")
    path = file_of(project, record)
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert records.read(path) == record


def test_a_copy_under_another_name_is_not_believed(project: Path) -> None:
    record = make(project, "one", "a: 1\n")
    shutil.copy(file_of(project, record), project / records.FOLDER / "copy.json")
    assert records.read_all(project) == [record]
    assert [unfit.path.name for unfit in records.unfit(project)] == ["copy.json"]


FIRST_VERSION = Path(__file__).with_name("record_of_version_1.json")


def test_a_record_of_the_first_version_is_read_and_checked(project: Path) -> None:
    """The file is one that the first version of the schema wrote."""
    content = json.loads(FIRST_VERSION.read_text())
    path = project / records.FOLDER / f"{content['id']}.json"
    path.parent.mkdir(parents=True)
    shutil.copy(FIRST_VERSION, path)
    (record,) = records.read_all(project)
    assert (record.version, record.outcomes, record.door) == (1, None, None)
    assert record.metrics == content["metrics"]
    path.write_text(FIRST_VERSION.read_text().replace('"mAP": 0.', '"mAP": 0.9'))
    assert records.read_all(project) == []


def test_records_keep_their_order_when_the_clock_is_set_back(project: Path) -> None:
    first, second = make(project, "one", "a: 1\n"), make(project, "three", "a: 1\n")
    file_of(project, second).unlink()
    early = records.sealed(second.model_copy(update={"time": "1970-01-01T00:00:00+00:00"}))
    file_of(project, early).write_text(early.model_dump_json())
    third = make(project, "fourth", "a: 1\n")
    assert [record.id for record in records.read_all(project)] == [first.id, second.id, third.id]


def test_an_ambiguous_or_unknown_id_is_refused(project: Path) -> None:
    make(project, "one", "a: 1\n")
    make(project, "two!", "a: 1\n")
    with pytest.raises(UserError, match="2 records"):
        records.find(project, "")
    with pytest.raises(UserError, match="no record"):
        records.find(project, "zz")


def test_records_of_two_people_on_two_machines_merge_without_conflict(project: Path, tmp_path: Path) -> None:
    def git(folder: Path, *words: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True)

    def keep(folder: Path) -> None:
        git(folder, "add", records.FOLDER)
        git(folder, "commit", "-qm", "a record")

    common = make(project, "one", "a: 1\n")
    keep(project)
    git(tmp_path, "clone", "-q", str(project), "other")
    other = tmp_path / "other"
    ours, theirs = make(project, "three", "a: 1\n"), make(other, "seventh", "a: 1\n")
    elsewhere = records.sealed(theirs.model_copy(update={"machine": {"processor": "another"}}))
    file_of(other, theirs).write_text(elsewhere.model_dump_json())
    keep(project)
    keep(other)
    git(project, "pull", "-q", "--no-rebase", "--no-edit", str(other))
    assert records.unfit(project) == []
    assert {record.id for record in records.read_all(project)} == {common.id, ours.id, theirs.id}
    assert records.read_all(project)[0] == common


def test_without_git_a_record_knows_its_code_by_its_hash(project: Path) -> None:
    shutil.rmtree(project / ".git")
    record = make(project, "one", "a: 1\n")
    assert (record.code["commit"], record.code["changed"], record.code["diff"]) == (None, None, None)
    (project / "assets/step.py").write_text("scale = 2\n")
    assert make(project, "one", "a: 1\n").code["tree"] != record.code["tree"]
    assert len(records.read_all(project)) == 2


@pytest.mark.parametrize("lock", ["", "null", "7", "[1]", "stages: 7", "\0", "[" * 5000, "stages: {a: 1}"])
def test_no_record_is_made_of_a_damaged_dvc_lock(lock: str) -> None:
    with pytest.raises(UserError, match=r"dvc\.lock is damaged.* git checkout HEAD -- dvc\.lock"):
        records.outputs(lock)
