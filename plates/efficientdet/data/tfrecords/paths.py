"""Rows by their paths, in little memory."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Paths:
    """An index of a column of paths: eight bytes a row; and, if they are not in order, the paths once more, sorted."""

    def __init__(self, paths: pa.ChunkedArray) -> None:
        self._order, self._sorted = np.arange(len(paths)), paths
        if pc.any(pc.less(paths[1:], paths[:-1])).as_py():
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
