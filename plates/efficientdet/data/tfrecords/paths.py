"""Rows by their paths, in little memory."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Paths:
    """An index of a column of paths: eight bytes a row, and the paths once more, sorted."""

    def __init__(self, paths: pa.ChunkedArray) -> None:
        self._order = pc.sort_indices(paths).to_numpy()
        self._sorted = paths.take(self._order)

    def find(self, paths: pa.ChunkedArray | list[str]) -> np.ndarray:
        """The row of each of `paths`, -1 if there is none: [len(paths)], int64."""
        asked = pa.array(paths, self._sorted.type) if isinstance(paths, list) else paths.cast(self._sorted.type)
        first = np.asarray(pc.search_sorted(self._sorted, asked))
        found = first < np.asarray(pc.search_sorted(self._sorted, asked, side="right"))
        rows = np.full(len(paths), -1)
        rows[found] = self._order[first[found]]
        return rows
