"""A delivery is compared with the one before it, however often it is validated."""

from pathlib import Path

import pandas as pd

from checks import memory
from plates.settings.project import Project


def remembered_rows(folder: Path, labels: pd.DataFrame) -> int | None:
    known = memory.last(folder, labels)
    return known and known.size.rows


def test_each_delivery_is_held_against_the_one_before(labels: pd.DataFrame, tmp_path: Path) -> None:
    folder, smaller = tmp_path / "deliveries", labels.iloc[:4]
    assert memory.last(folder, labels) is None
    memory.remember(folder, labels, labels.iloc[:5])
    assert memory.last(folder, labels) is None

    assert remembered_rows(folder, smaller) == 6
    memory.remember(folder, smaller, smaller)
    assert remembered_rows(folder, smaller) == 6
    memory.remember(folder, smaller, smaller)
    assert remembered_rows(folder, smaller) == 6

    assert remembered_rows(folder, labels.iloc[:3]) == 4
    assert remembered_rows(folder, labels) == 4


def test_what_is_compared_is_what_was_accepted(labels: pd.DataFrame, tmp_path: Path) -> None:
    memory.remember(tmp_path / "deliveries", labels, labels.iloc[:2])
    known = memory.last(tmp_path / "deliveries", labels.iloc[:1])
    assert known is not None
    assert len(known.looks) == 2


def test_photographs_of_another_folder_are_no_later_delivery(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {root: first}\n", encoding="utf-8")
    first = memory.folder(Project(tmp_path))
    (tmp_path / "params.yaml").write_text("data: {root: second}\n", encoding="utf-8")
    second = memory.folder(Project(tmp_path))
    (tmp_path / "params.yaml").write_text("data: {root: ./first/}\n", encoding="utf-8")

    assert first != second
    assert memory.folder(Project(tmp_path)) == first


def test_order_makes_no_other_delivery_and_a_box_does(labels: pd.DataFrame) -> None:
    assert memory.digest(labels) == memory.digest(labels.iloc[::-1])
    assert memory.digest(labels) != memory.digest(labels.assign(xmin=labels["xmin"] + 1))
