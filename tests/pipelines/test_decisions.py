"""`label_decisions.csv` is an input of `boxes` in both doors, and part of what a record says."""

import shutil
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from doors import DATA, Doors, in_process

from plates.columns import BOX
from plates.lineage.working_tree import files
from plates.suspects.decisions import DROPPED, FILE


@pytest.fixture
def doors(data_ran: Path, tmp_path: Path):
    shutil.copytree(data_ran, tmp_path / "ran")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        in_process(doors := Doors(tmp_path / "ran/project", DATA, instance)),
    ):
        yield doors


def decide(root: Path, *lines: str) -> None:
    with (root / FILE).open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_a_decision_makes_boxes_anew_and_what_is_downstream(doors: Doors) -> None:
    root = doors.root
    before = pd.read_parquet(root / "data/boxes.parquet")
    first, second, third = before.loc[before["class"].notna(), "path"].iloc[:3]
    assert set(doors.status()) <= {"raw_images"}, "which looks at the world outside"

    decide(root, f"{first},fix,100,200,300,260", f"{second},drop,,,,", f"{third},keep,,,,")
    assert {"boxes"} <= set(doors.status())
    assert doors.repro() is None

    after = pd.read_parquet(root / "data/boxes.parquet").set_index("path")
    assert after.loc[first, BOX].tolist() == [100, 200, 300, 260]
    assert second not in after.index
    assert after.loc[third, BOX].tolist() == before.set_index("path").loc[third, BOX].tolist()
    rejected = pd.read_parquet(root / "data/rejected.parquet").set_index("path")
    assert list(rejected.loc[second, "broken"]) == [DROPPED]
    assert second not in set(pd.read_parquet(root / "data/splits.parquet")["path"])
    assert set(doors.status()) <= {"raw_images"}, "which looks at the world outside"
    assert root / FILE in set(files(root)), "a record's code, its patch and its hash hold the decisions"


def test_what_cannot_be_carried_out_stops_boxes(doors: Doors) -> None:
    before = (doors.root / "data/boxes.parquet").read_bytes()
    decide(doors.root, "ccpd_base/gone.jpg,drop,,,,")
    assert "1 of 1 lines of label_decisions.csv" in (doors.materialize("boxes") or "")
    assert (doors.root / "data/boxes.parquet").read_bytes() == before


def test_a_file_that_is_gone_is_named_with_the_way_back(doors: Doors) -> None:
    (doors.root / FILE).unlink()
    assert f"git checkout -- {FILE}" in (doors.materialize("boxes") or "")
