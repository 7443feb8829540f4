"""A record comes back from the files of the cache alone, whole or not at all."""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from recorded import cached, make

from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage import record as records
from plates.lineage.restore import restore, restore_to
from plates.lineage.working_tree import tree_hash


def made(project: Path) -> str:
    return (project / "data/made.txt").read_text()


def test_restore_brings_data_and_parameters_back(project: Path) -> None:
    first, second = make(project, "one", "a: 1\n"), make(project, "three", "a: 2\n")
    done = restore(project, records.find(project, first.id[:6]))
    assert made(project) == "one"
    assert (project / "params.yaml").read_text() == "a: 1\n"
    assert records.outputs((project / "dvc.lock").read_text()) == first.outputs
    assert (done.put, done.same) == (["data/made.txt"], [])
    assert done.kept is not None
    assert (done.kept / "params.yaml").read_text() == "a: 2\n"
    assert restore(project, first).same == ["data/made.txt"]
    restore(project, second)
    assert made(project) == "three"


def test_folders_come_back_file_by_file(project: Path) -> None:
    folder = {"a.tfrecord": "shard a", "deep/b.tfrecord": "shard b"}
    first = make(project, "one", "a: 1\n", outputs={"data/tfrecords": folder})
    make(project, "two", "a: 1\n", outputs={"data/tfrecords": {"c.tfrecord": "shard c"}})
    restore(project, first)
    found = {
        file.relative_to(project / "data/tfrecords").as_posix(): file.read_text()
        for file in (project / "data/tfrecords").rglob("*")
        if file.is_file()
    }
    assert found == folder
    assert content_hash(project / "data/tfrecords") == first.outputs["data/tfrecords"]


def test_what_the_cache_lacks_is_named_and_nothing_is_changed(project: Path) -> None:
    first = make(project, "one", "a: 1\n", outputs={"data/tfrecords": {"a": "shard a", "b": "shard b"}})
    make(project, "three", "a: 2\n", outputs={"data/tfrecords": {"c": "shard c"}})
    before = (project / "dvc.lock").read_text()
    cached(project, first.outputs["data/made.txt"]).unlink()
    cached(project, "a" * 32)
    shard = next(entry for entry in json.loads(cached(project, first.outputs["data/tfrecords"]).read_text()))
    cached(project, shard["md5"]).unlink()
    with pytest.raises(UserError) as error:
        restore(project, first)
    assert "data/made.txt: all of it" in str(error.value)
    assert "data/tfrecords: 1 of its files" in str(error.value)
    assert "nothing was changed" in str(error.value)
    assert (made(project), (project / "params.yaml").read_text()) == ("three", "a: 2\n")
    assert (project / "dvc.lock").read_text() == before
    assert not (project / ".plates").exists()


def test_a_wiped_cache_is_said(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    shutil.rmtree(project / ".dvc")
    with pytest.raises(UserError, match=r"1 outputs of record .* not kept here"):
        restore(project, first)


def test_a_damaged_object_is_never_put_in_place(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    damaged = cached(project, first.outputs["data/made.txt"])
    damaged.chmod(0o644)
    damaged.write_text("One")
    with pytest.raises(UserError, match="it is damaged"):
        restore(project, first)
    assert made(project) == "three"


def assert_moved_aside(project: Path, record: records.Record) -> None:
    """What is restored over is kept, as it was never committed."""
    (project / "data/made.txt").unlink()
    (project / "data/made.txt").write_text("never committed")
    done = restore(project, record)
    assert made(project) == "one"
    assert done.kept is not None
    assert (done.kept / "data/made.txt").read_text() == "never committed"


def test_what_is_in_no_cache_is_moved_aside(project: Path) -> None:
    assert_moved_aside(project, make(project, "one", "a: 1\n"))


def test_a_folder_on_another_disk_is_restored(project: Path, tmp_path: Path) -> None:
    """`data` can be a link to where there is room; what is there cannot be renamed into the project."""
    first = make(project, "one", "a: 1\n")
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        shutil.move(project / "data", f"{elsewhere}/data")
        (project / "data").symlink_to(f"{elsewhere}/data")
        assert_moved_aside(project, first)


def test_a_remote_that_is_a_folder_and_a_cache_elsewhere_are_looked_at(project: Path, tmp_path: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    shutil.move(project / ".dvc/cache", tmp_path / "remote")
    config = "[cache]\n    dir = ../../cache\n['remote \"box\"']\n    url = ../../remote\n[core]\n    remote = box\n"
    (project / ".dvc/config").write_text(config)
    restore(project, first)
    assert made(project) == "one"


def test_a_remote_that_only_dvc_reads_is_asked_for_what_is_missing(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    (project / ".dvc/config").write_text("['remote \"s3\"']\n    url = s3://bucket/path\n")
    kept = cached(project, first.outputs["data/made.txt"])
    content = kept.read_text()
    kept.unlink()
    asked: list[str] = []

    def fetch(hashes: object) -> None:
        asked.extend(hashes)  # type: ignore[call-overload]
        kept.write_text(content)

    with pytest.raises(UserError, match="s3://bucket/path"):
        restore(project, first, fetch=lambda hashes: None)
    restore(project, first, fetch)
    assert asked == [first.outputs["data/made.txt"]]
    assert made(project) == "one"


def test_stages_after_the_record_stay_in_the_lock(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    make(project, "three", "a: 2\n")
    lock = project / "dvc.lock"
    lock.write_text(lock.read_text() + "  champion:\n    cmd: true\n")
    restore(project, first)
    assert "champion" in lock.read_text()


@pytest.mark.parametrize("content", [b"", b"[1]", b"stages:\n", b"stages: {made", b"\xff\xfe{"])
def test_a_damaged_lock_is_replaced_and_kept(project: Path, content: bytes) -> None:
    first = make(project, "one", "a: 1\n")
    (project / "dvc.lock").write_bytes(content)
    done = restore(project, first)
    assert records.outputs((project / "dvc.lock").read_text()) == first.outputs
    assert done.kept is not None
    assert (done.kept / "dvc.lock").read_bytes() == content


def test_a_folder_of_its_own_has_the_code_of_the_record_edits_included(project: Path, tmp_path: Path) -> None:
    (project / "assets/step.py").write_text("scale = 2\n")
    (project / "assets/new.py").write_text("new = True\n")
    first = make(project, "one", "a: 1\n")
    (project / "assets/step.py").write_text("scale = 3\n")
    make(project, "three", "a: 2\n")
    folder = tmp_path / "restored"
    restore_to(project, first, folder)
    assert (folder / "assets/step.py").read_text() == "scale = 2\n"
    assert (folder / "assets/new.py").read_text() == "new = True\n"
    assert tree_hash(folder) == first.code["tree"]
    assert (made(folder), (folder / "params.yaml").read_text()) == ("one", "a: 1\n")
    assert made(project) == "three"
    with pytest.raises(UserError, match="not empty"):
        restore_to(project, first, folder)


def test_code_that_git_no_longer_has_is_said(project: Path, tmp_path: Path) -> None:
    first = make(project, "one", "a: 1\n")
    (project / "assets/step.py").write_text("scale = 2\n")
    gone = records.sealed(first.model_copy(update={"code": {**first.code, "commit": "0" * 40}}))
    with pytest.raises(UserError, match=r"commit 00000000 .* not in this repository"):
        restore_to(project, gone, tmp_path / "restored")
    outside = records.sealed(first.model_copy(update={"code": {**first.code, "commit": None, "changed": None}}))
    with pytest.raises(UserError, match="outside Git"):
        restore_to(project, outside, tmp_path / "again")


def test_code_that_lies_here_needs_no_git(project: Path, tmp_path: Path) -> None:
    shutil.rmtree(project / ".git")
    first = make(project, "one", "a: 1\n")
    restore_to(project, first, tmp_path / "restored")
    assert first.code["commit"] is None
    assert tree_hash(tmp_path / "restored") == first.code["tree"]


def test_what_git_has_of_another_run_is_overwritten_in_a_folder_of_its_own(project: Path, tmp_path: Path) -> None:
    make(project, "three", "a: 2\n")
    for words in (["add", "-fA"], ["commit", "-qm", "outputs too"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    cached(project, content_hash(project / "data/made.txt")).unlink()
    second = make(project, "one", "a: 1\n")
    (project / "assets/step.py").write_text("scale = 9\n")
    restore_to(project, second, tmp_path / "restored")
    assert made(tmp_path / "restored") == "one"
