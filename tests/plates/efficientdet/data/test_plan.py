"""A plan made from files in parts is the one of the whole tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates.columns import BOX, CORNERS
from plates.efficientdet.data.tfrecords import BOX_COLUMNS, images_from
from plates.efficientdet.data.tfrecords.plan import images_table, rows_of
from plates.errors import UserError

LABELS = {1: "plate"}


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Nine photographs of none, one or two boxes, in row groups of one; the splits leave two of them out."""
    paths = [f"{number}.jpg" for number in range(9) for _ in range(1 + number % 2)]
    boxes = pd.DataFrame({"path": paths, "sha256": "0", "width": 90, "height": 70, "class": "plate"})
    boxes[BOX] = np.float32([[row, 1, row + 5, 8] for row in range(len(boxes))])
    boxes[CORNERS] = np.float32(3)
    boxes.loc[boxes["path"] == "4.jpg", ["class", *BOX, *CORNERS]] = None
    splits = pd.DataFrame({"image_id": range(1, 8), "path": [f"{number}.jpg" for number in (0, 1, 3, 4, 5, 7, 8)]})
    files = tmp_path / "boxes.parquet", tmp_path / "splits.parquet"
    for file, table in zip(files, (boxes, splits.assign(split="train")), strict=True):
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), file, row_group_size=1)
    return files


def test_files_in_parts_are_planned_as_the_whole(tables: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, splits = map(pq.read_table, tables)
    none = boxes.slice(0, 0).to_pandas()
    monkeypatch.setattr("plates.parts.GROUPS", 1)
    whole = images_table(boxes, splits, LABELS)
    assert images_from(*tables, LABELS, none).to_pylist() == whole.to_pylist()
    assert [len(classes) for classes in whole["class"].to_pylist()] == [1, 2, 2, 0, 2, 2, 1]

    region = boxes.slice(5, 1)
    crowd = pa.repeat(True, 1)
    both = pa.concat_tables(
        [boxes.append_column("crowd", pa.repeat(False, len(boxes))), region.append_column("crowd", crowd)]
    )
    planned = images_from(*tables, LABELS, region.to_pandas())
    assert planned.to_pylist() == images_table(both, splits, LABELS).to_pylist()
    assert sum(map(sum, planned["crowd"].to_pylist())) == 1


def test_splits_of_other_photographs_are_refused(tables: tuple[Path, Path]) -> None:
    boxes, splits = tables
    none = pq.read_table(boxes).slice(0, 0).to_pandas()
    pq.write_table(pq.read_table(boxes, columns=BOX_COLUMNS).slice(0, 4), boxes)
    with pytest.raises(UserError, match="of different images: 5 only in splits, after the last of the boxes"):
        images_from(boxes, splits, LABELS, none)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.data())
def test_rows_of_a_table_in_chunks_are_taken_in_order(sizes: list[int], data: st.DataObject) -> None:
    numbers = iter(range(sum(sizes)))
    chunks = [pa.table({"a": pa.array([str(next(numbers)) for _ in range(size)], pa.string())}) for size in sizes]
    wanted = data.draw(st.lists(st.integers(-1, sum(sizes) - 1), max_size=8))
    found = rows_of(pa.concat_tables(chunks), np.array(wanted, np.int64))
    assert found["a"].to_pylist() == [None if row < 0 else str(row) for row in wanted]
