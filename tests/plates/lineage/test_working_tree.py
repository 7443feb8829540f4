"""What of the code a record keeps: every file of it is in the hash, every difference from Git in the patch."""

import subprocess
from pathlib import Path

import pytest

from plates.lineage.environment import code
from plates.lineage.working_tree import changes, files, tree_hash


def edit_tracked(project: Path) -> str:
    (project / "assets/step.py").write_text("scale = 2\n")
    return "assets/step.py"


def add_module(project: Path) -> str:
    (project / "assets/new.py").write_text("new = True\n")
    return "assets/new.py"


def add_template(project: Path) -> str:
    (project / "assets/pages").mkdir()
    (project / "assets/pages/page.html.j2").write_text("{{ figure }}\n")
    return "assets/pages/page.html.j2"


def edit_stages(project: Path) -> str:
    (project / "dvc.yaml").write_text('{"stages": {}}')
    return "dvc.yaml"


def remove(project: Path) -> str:
    (project / "assets/step.py").unlink()
    return "assets/step.py"


EDITS = (edit_tracked, add_module, add_template, edit_stages, remove)


@pytest.mark.parametrize("edit", EDITS)
def test_every_kind_of_edit_changes_the_hash_and_is_in_the_patch(project: Path, edit) -> None:
    clean = code(project)
    assert (clean["changed"], clean["diff"]) == ([], "")
    path = edit(project)
    edited = code(project)
    assert edited["commit"] == clean["commit"]
    assert edited["changed"] == [path]
    assert edited["tree"] != clean["tree"]
    patch = edited["diff"]
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=project, check=True)
    assert tree_hash(project) == clean["tree"]
    subprocess.run(["git", "apply"], cwd=project, input=patch, text=True, check=True)
    assert tree_hash(project) == edited["tree"]


def test_all_edits_at_once_come_back_from_the_patch(project: Path) -> None:
    for edit in EDITS[:-1]:
        edit(project)
    edited = code(project)
    assert len(edited["changed"]) == len(EDITS) - 1
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=project, check=True)
    subprocess.run(["git", "apply"], cwd=project, input=edited["diff"], text=True, check=True)
    assert tree_hash(project) == edited["tree"]


def test_what_is_no_code_changes_nothing(project: Path) -> None:
    before = code(project)
    for path in ("params.yaml", "dvc.lock", "notes.md", "data/table.parquet", "tests/test_it.py", "ignored.py.txt"):
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text("anything")
    assert code(project) == before


def test_two_edits_of_one_file_are_two(project: Path) -> None:
    edit_tracked(project)
    first = code(project)
    (project / "assets/step.py").write_text("scale = 3\n")
    second = code(project)
    assert first["changed"] == second["changed"]
    assert first["tree"] != second["tree"]
    assert first["diff"] != second["diff"]


def test_without_git_the_hash_is_the_same_and_the_rest_unknown(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = code(project)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code(project) == {"commit": None, "changed": None, "tree": known["tree"], "diff": None}


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "module.py").write_text("")
    assert changes(tmp_path) is None
    assert [path.name for path in files(tmp_path)] == ["module.py"]


def test_a_project_in_a_folder_of_a_repository(project: Path) -> None:
    """Paths are the project's own, so that the patch applies in its folder."""
    inner = project / "inner"
    (inner / "assets").mkdir(parents=True)
    (inner / "assets/__init__.py").write_text("a = 1\n")
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    subprocess.run(["git", "commit", "-qm", "inner"], cwd=project, check=True)
    (inner / "assets/__init__.py").write_text("a = 2\n")
    (inner / "assets/new.py").write_text("b = 1\n")
    names, patch = changes(inner) or ([], None)
    assert names == ["assets/__init__.py", "assets/new.py"]
    assert "--- a/assets/__init__.py" in (patch or "")
    assert "+++ b/assets/new.py" in (patch or "")


def test_a_patch_that_is_too_long_is_left_out_and_the_hash_stays(project: Path) -> None:
    (project / "assets/table.py").write_text("# row\n" * 300_000)
    found = code(project)
    assert found["changed"] == ["assets/table.py"]
    assert found["diff"] is None
    assert found["tree"] == tree_hash(project)
