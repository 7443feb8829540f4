"""A delivery is compared with the one before it, however often it is validated."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from checks import memory
from checks.suites.delivery import Delivery
from checks.whole import survey
from plates.files import write_parquet
from plates.settings.project import Project
from plates.splits.shift import features


def size(labels: pd.DataFrame) -> Delivery:
    return survey(lambda: [labels]).size


def remember(folder: Path, labels: pd.DataFrame, accepted: pd.DataFrame) -> None:
    looks = folder.with_name("looks.parquet")
    write_parquet(looks, features(accepted))
    memory.remember(folder, memory.Remembered(size(labels), looks))


def remembered_rows(folder: Path, labels: pd.DataFrame) -> int | None:
    known = memory.last(folder, size(labels))
    return known and known.size.rows


def test_each_delivery_is_held_against_the_one_before(labels: pd.DataFrame, tmp_path: Path) -> None:
    folder, smaller = tmp_path / "deliveries", labels.iloc[:4]
    assert remembered_rows(folder, labels) is None
    remember(folder, labels, labels.iloc[:5])
    assert remembered_rows(folder, labels) is None

    assert remembered_rows(folder, smaller) == 6
    remember(folder, smaller, smaller)
    assert remembered_rows(folder, smaller) == 6
    remember(folder, smaller, smaller)
    assert remembered_rows(folder, smaller) == 6

    assert remembered_rows(folder, labels.iloc[:3]) == 4
    assert remembered_rows(folder, labels) == 4


def test_what_is_compared_is_what_was_accepted(labels: pd.DataFrame, tmp_path: Path) -> None:
    remember(tmp_path / "deliveries", labels, labels.iloc[:2])
    known = memory.last(tmp_path / "deliveries", size(labels.iloc[:1]))
    assert known is not None
    assert pq.read_metadata(known.looks).num_rows == 2


def test_photographs_of_another_folder_are_no_later_delivery(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {root: first}\n", encoding="utf-8")
    first = memory.folder(Project(tmp_path))
    (tmp_path / "params.yaml").write_text("data: {root: second}\n", encoding="utf-8")
    second = memory.folder(Project(tmp_path))
    (tmp_path / "params.yaml").write_text("data: {root: ./first/}\n", encoding="utf-8")

    assert first != second
    assert memory.folder(Project(tmp_path)) == first


def test_order_makes_no_other_delivery_and_a_box_does(labels: pd.DataFrame) -> None:
    assert size(labels) == size(labels.iloc[::-1])
    assert size(labels).digest != size(labels.assign(xmin=labels["xmin"] + 1)).digest
