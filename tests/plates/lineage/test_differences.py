"""What differs between two records is said in words: counts, meanings, files and the stages that they are part of."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from recorded import make

from plates.columns import BOX
from plates.lineage import differences
from plates.lineage import record as records
from plates.lineage.photographs import Comparison, compare

ROWS = ["path", "sha256", "class", *BOX, "split", "rejected", "found", "iou", "score"]


@pytest.fixture
def comparison() -> Comparison:
    """One photograph each came, left, was relabelled by 5 px, and moved; one plate of two turned wrong."""

    def row(path: str, split: str, xmin: float = 10.0, found: bool | None = None) -> tuple:
        return (path, path.encode(), "plate", xmin, 20.0, 100.0, 50.0, split, None, found, 0.8, 0.9)

    first = [row("gone", "train"), row("moved", "train"), row("label", "val"), row("x", "test", found=True)]
    first.append(row("y", "test", found=True))
    second = [row("new", "val"), row("moved", "val"), row("label", "val", 15.0), row("x", "test", found=False)]
    second.append(row("y", "test", found=True))
    return compare(pd.DataFrame(first, columns=ROWS), pd.DataFrame(second, columns=ROWS))


def test_photographs_are_counted_with_shares_and_examples(comparison: Comparison) -> None:
    assert differences.photographs(comparison).lines == [
        "1 came (20.0%): 1 val; e.g. new",
        "1 left (20.0%): 1 train; e.g. gone",
        "1 were relabelled (20.0%): by 5.0 px in the middle, 5.0 at most; e.g. label",
        "1 moved to another split (20.0%): 1 train to val; e.g. moved",
    ]


def test_results_say_which_plates_turned_and_the_interval(comparison: Comparison) -> None:
    row = {"figure": "mAP", "first": 0.7, "second": 0.65, "difference": -0.05, "low": -0.08, "high": -0.02}
    section = differences.results(comparison, pd.DataFrame([row, {**row, "low": None, "high": None}]))
    assert section.title == "On the 2 photographs that both scored with the same labels"
    assert section.lines == [
        "mAP 0.700 -> 0.650, -0.050 (95%: -0.080 to -0.020)",
        "mAP 0.700 -> 0.650, -0.050",
        "1 plates turned wrong; e.g. x",
    ]


def test_parameters_come_with_their_meaning(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    second = first.model_copy(update={"params": {"text": "a: 2\n", "train": {"seed": 4, "new": None}}})
    assert differences.parameters(first, second, {"train.seed": "Seed of it all."}).lines == [
        "text: a: 1\n -> a: 2\n",
        "train.new: not there -> null",
        "train.seed: 3 -> 4   Seed of it all.",
    ]
    assert differences.machine(first, second).lines == ["train.seed: 3 -> 4"]
    assert differences.parameters(first, first, {}).lines == []


def test_code_is_told_file_by_file_with_its_stages(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    (project / "assets/step.py").write_text("scale = 2\nmore = 1\n")
    (project / "assets/unused.py").write_text("x = 1\n")
    (project / "lineage").mkdir(exist_ok=True)
    (project / "lineage/written.json").write_text("{}\n")
    second = make(project, "one", "a: 1\n")
    locks = []
    for md5 in ("a" * 32, "b" * 32):
        stages = {"checkpoint": {"deps": [{"path": "assets/step.py", "md5": md5}], "outs": [{"path": "data/made.txt"}]}}
        locks.append(yaml.safe_dump({"stages": stages}))
    first = first.model_copy(update={"dvc_lock": locks[0]})
    second = second.model_copy(update={"dvc_lock": locks[1]})
    assert differences.code(project, first, second).lines == [
        "assets/step.py  +2 -1  (part of checkpoint)",
        "assets/unused.py  +1 -0  (part of no stage that led to them)",
    ]
    assert differences.code(project, first, first).lines == []


def test_code_that_git_no_longer_has_is_named_from_the_lock(project: Path) -> None:
    first = make(project, "one", "a: 1\n")
    lost = {**first.code, "commit": "0" * 40, "tree": "0" * 16}
    stages = {
        "checkpoint": {"deps": [{"path": "assets/step.py", "md5": "a" * 32}], "outs": [{"path": "data/made.txt"}]}
    }
    second = first.model_copy(update={"code": lost, "dvc_lock": yaml.safe_dump({"stages": stages})})
    lines = differences.code(project, first, second).lines
    assert lines[0] == "assets/step.py (part of checkpoint)"
    assert "commit 00000000" in lines[1]


def test_a_commit_of_the_edits_is_no_difference(project: Path) -> None:
    (project / "assets/step.py").write_text("scale = 2\n")
    first = make(project, "one", "a: 1\n")
    subprocess.run(["git", "commit", "-qam", "the edits"], cwd=project, check=True)
    second = make(project, "three", "a: 1\n")
    assert first.code["commit"] != second.code["commit"]
    assert differences.code(project, first, second).lines == []


def test_headline_and_the_short_form(project: Path) -> None:
    first, second = make(project, "one", "a: 1\n"), make(project, "three", "a: 1\n")
    assert differences.headline(first, second) == (
        f"mAP 0.300 -> 0.500, +0.200, from record {first.short} to {second.short}"
    )
    assert differences.short(first, first) == "nothing"
    other = records.Record.model_validate({**second.model_dump(), "params": {"train": {"seed": 9}}})
    other.outputs["data/raw_images.parquet"] = "0" * 32
    assert differences.short(second, other) == "photographs, 2 parameters"
    seeded = second.model_copy(update={"params": {**second.params, "train": {"seed": 9}}, "packages": {"keras": "4"}})
    assert differences.short(second, seeded) == "train.seed 3 -> 9, packages"
