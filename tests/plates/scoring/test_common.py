"""Figures on common photographs are those of the photographs, whatever number either evaluation gave them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plates.columns import BOX
from plates.scoring.common import COLUMNS, on_common
from plates.scoring.detections import SCHEMA

LABELS = {1: "plate"}


def boxes(count: int) -> pd.DataFrame:
    rows = []
    for number in range(count):
        known = {"path": f"{number:03d}.jpg", "subset": "base", "class": "plate", "plate": f"P{number}"}
        rows.append({**known, "xmin": 10.0, "ymin": 10.0, "xmax": 90.0, "ymax": 40.0})
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def write(file: Path, rows: pd.DataFrame, ids: np.ndarray, wrong: set[int], prefix: str = "") -> Path:
    table = rows.assign(image_id=ids, path=prefix + rows["path"], score=0.9)
    table["class"] = 1
    for number in wrong:
        table.loc[number, BOX] = [100.0, 100.0, 150.0, 120.0]
    pq.write_table(pa.Table.from_pandas(table.reindex(columns=SCHEMA.names), schema=SCHEMA, preserve_index=False), file)
    return file


def test_only_common_photographs_count_under_any_numbers_and_names(tmp_path: Path) -> None:
    rows = boxes(40)
    first = write(tmp_path / "first.parquet", rows, np.arange(1, 41), set(), prefix="old/")
    second = write(tmp_path / "second.parquet", rows, np.arange(40, 0, -1), {0, 1, 2, 3, 4, 35, 36})
    scored = pd.DataFrame({"path_before": "old/" + rows["path"][:20], "path": rows["path"][:20]})
    table = on_common((first, second), rows, scored, (LABELS, LABELS), 100, draws=200).set_index("figure")
    assert table.loc["ccpd_score", ["first", "second"]].tolist() == [1.0, 0.75]
    assert table.loc["mAP", "first"] == pytest.approx(1.0)
    assert table.loc["mAP", "low"] <= table.loc["mAP", "difference"] <= table.loc["mAP", "high"]
    assert (table["images"] == 20).all()
    same = on_common(
        (first, first),
        rows.assign(path="old/" + rows["path"]),
        scored.assign(path=scored["path_before"]),
        (LABELS, LABELS),
        100,
        draws=50,
    )
    assert (same["difference"] == 0).all()


def test_what_is_found_in_a_region_to_ignore_is_no_false_alarm(tmp_path: Path) -> None:
    rows = boxes(20).assign(iscrowd=False)
    ignored = rows.assign(iscrowd=True, xmin=200.0, xmax=300.0)
    file = tmp_path / "found.parquet"
    found = pd.concat([rows.assign(score=0.8), ignored.assign(score=0.9)], ignore_index=True).assign(**{"class": 1})
    pq.write_table(pa.Table.from_pandas(found.reindex(columns=SCHEMA.names), SCHEMA, preserve_index=False), file)
    scored = pd.DataFrame({"path_before": rows["path"], "path": rows["path"]})
    every = pd.concat([rows, ignored], ignore_index=True)
    for truth, expected in ((rows, 0.5), (every, 1.0)):
        table = on_common((file, file), truth, scored, (LABELS, LABELS), 100, draws=20).set_index("figure")
        assert table.loc["mAP", "first"] == pytest.approx(expected, abs=0.01)


def test_nothing_common_has_no_figure(tmp_path: Path) -> None:
    rows = boxes(3)
    file = write(tmp_path / "found.parquet", rows, np.arange(1, 4), set())
    none = pd.DataFrame({"path_before": [], "path": []}, dtype=str)
    assert on_common((file, file), rows, none, (LABELS, LABELS), 100).empty
