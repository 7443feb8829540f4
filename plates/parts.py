"""Tables that are read a part at a time, so that memory does not grow with their rows.

The tables of a run are by path: the rows of a photograph are next to each other.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

GROUPS = 8
"""Row groups of a part: 262,144 rows, about 100 MB of labels."""


def read(path: Path, columns: list[str] | None = None, groups: int | None = None) -> Iterator[pa.Table]:
    """The rows of a Parquet file in order, `groups` (None: `GROUPS`) row groups at a time; one part at least."""
    groups = groups or GROUPS
    with pq.ParquetFile(path) as file:
        for start in range(0, file.num_row_groups, groups):
            yield file.read_row_groups(range(start, min(start + groups, file.num_row_groups)), columns)


def sound(path: Path, schema: pa.Schema) -> bool:
    """Whether a file that only saves work can be read and has `schema`, its notes too."""
    try:
        if not pq.read_schema(path).equals(schema, check_metadata=True):
            return False
        for _ in read(path):
            pass
    except (OSError, pa.ArrowException):
        return False
    return True


def by_photograph(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, cut where a photograph ends: the rows of one `path` are in one part."""
    rest: pa.Table | None = None
    for part in parts:
        part = part if rest is None else pa.concat_tables([rest, part])
        if not len(part):
            continue
        last = pc.index(part["path"], part["path"][-1]).as_py()
        if last:
            yield part.slice(0, last)
        rest = part.slice(last)
    if rest is not None:
        yield rest


def beside(parts: Iterable[pa.Table], others: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Each of the parts with the rows of `others` up to its last path; both are by path.

    Rows of the same photograph are in the same pair if they are in one part (`by_photograph`) and in one of `others`.
    """
    coming, rest = iter(others), None
    for part in parts:
        if not len(part):
            continue
        last = part["path"][-1]
        while (rest is None or not len(rest) or rest["path"][-1].as_py() <= last.as_py()) and (
            more := next(coming, None)
        ) is not None:
            rest = more if rest is None else pa.concat_tables([rest, more])
        if rest is None:
            return
        end = pc.search_sorted(rest["path"], pa.array([last.as_py()], rest["path"].type), side="right")[0].as_py()
        yield part, rest.slice(0, end)
        rest = rest.slice(end)


def hashes(rows: pd.DataFrame, columns: list[str], known: str) -> np.ndarray:
    """A 64-bit hash of `columns` in each row [N], uint64; 0 where the column `known` is null.

    Equal values have equal hashes; different ones nearly always have different ones.
    """
    found = pd.util.hash_pandas_object(rows[columns], index=False, categorize=False).to_numpy()
    return np.where(rows[known].notna(), np.maximum(found, 1), 0)


def repeated(hashes: np.ndarray) -> np.ndarray:
    """Whether [N] each of `hashes` occurs more than once; never for 0."""
    ordered = np.sort(hashes)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.isin(hashes, twice[twice > 0])
