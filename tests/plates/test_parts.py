"""A table that is read or written in parts has the rows and the bytes of the whole one."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates import parts
from plates.files import ROW_GROUP, parquet_writer, write_parquet


@pytest.mark.parametrize("rows", [0, 1, ROW_GROUP, 2 * ROW_GROUP + 1])
def test_rows_written_in_parts_give_the_bytes_of_all_at_once(rows: int, tmp_path: Path) -> None:
    table = pa.table({"name": pa.array(map(str, range(rows)), pa.string())})
    write_parquet(tmp_path / "whole.parquet", table)
    with parquet_writer(tmp_path / "parts.parquet", table.schema) as write:
        for start in range(0, rows, 10_007):
            write(table.slice(start, 10_007))
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pa.concat_tables(parts.read(tmp_path / "parts.parquet", groups=1)) == table


def test_a_writer_that_fails_leaves_the_old_table(tmp_path: Path) -> None:
    table = pa.table({"a": [1]})
    write_parquet(tmp_path / "a.parquet", table)
    with pytest.raises(pa.ArrowInvalid), parquet_writer(tmp_path / "a.parquet", table.schema) as write:
        write(pa.table({"a": ["2"] * ROW_GROUP + ["not a number"]}))
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]
    assert pq.read_table(tmp_path / "a.parquet") == table


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 12))
def test_a_photograph_is_in_one_part(numbers: list[int], size: int) -> None:
    table = pa.table({"path": pa.array(sorted(f"{number}.jpg" for number in numbers), pa.string())})
    found = list(parts.by_photograph(table.slice(start, size) for start in range(0, max(len(table), 1), size)))
    assert pa.concat_tables([table.slice(0, 0), *found]) == table
    seen = [set(part["path"].to_pylist()) for part in found]
    assert sum(map(len, seen)) == len(set().union(*seen)), "the parts share no path"
    assert all(seen)


@given(st.lists(st.integers(0, 9), max_size=12), st.sets(st.integers(0, 9)), st.integers(1, 5), st.integers(1, 5))
def test_two_tables_are_read_side_by_side(rows: list[int], others: set[int], size: int, other_size: int) -> None:
    left, right = (pa.table({"path": pa.array(sorted(map(str, of)), pa.string())}) for of in (rows, others))
    first = parts.by_photograph(left.slice(start, size) for start in range(0, len(left), size))
    second = (right.slice(start, other_size) for start in range(0, len(right), other_size))
    joined = [
        (part["path"].to_pylist(), sorted(set(part["path"].to_pylist()) & set(other["path"].to_pylist())))
        for part, other in parts.beside(first, second)
    ]
    for paths, matched in joined:
        assert matched == sorted(set(paths) & set(map(str, others)))
    if others:
        assert [path for paths, _ in joined for path in paths] == sorted(map(str, rows))


@given(st.lists(st.sampled_from(["a", "b", "c", None])))
def test_what_occurs_twice_is_found_and_nulls_are_not(values: list[str | None]) -> None:
    rows = pd.DataFrame({"name": pd.Series(values, dtype="str")})
    known = [value for value in values if value is not None]
    expected = [value is not None and known.count(value) > 1 for value in values]
    assert parts.repeated(parts.hashes(rows, ["name"], known="name")).tolist() == expected
