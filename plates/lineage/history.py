"""One photograph's history over all evaluations: its names, label, split, and whether its plates were found."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates.columns import BOX
from plates.lineage.cache import Cache
from plates.lineage.record import Record

RAW = "data/raw_images.parquet"
THREADS = 4


@dataclass(frozen=True)
class Seen:
    """A photograph in one evaluation.

    Attributes:
        record: of the evaluation.
        delivery: the first eight characters of the version of `data/raw_images.parquet`.
        rows: of the outcomes: one per plate, under every name that the content had. Empty if it was not there.
    """

    record: Record
    delivery: str
    rows: list[dict]


@dataclass(frozen=True)
class History:
    """`seen` in each evaluation, oldest first; `unkept` are the records whose outcomes are not here."""

    seen: list[Seen]
    unkept: list[Record]

    @property
    def known(self) -> bool:
        """Whether the photograph was ever there."""
        return any(seen.rows for seen in self.seen)


def history(root: Path, records: Sequence[Record], path: str | None, sha256: bytes | None) -> History:
    """Follows a photograph through the records, by its name and by its content, so that a new name does not lose it.

    Args:
        root: the project's folder.
        records: oldest first.
        path: relative to `data.root`.
        sha256: of its content; with the contents that `path` had, if given.
    """
    cache = Cache.of(root)
    files = {record.id: cache.find(record.outcomes) for record in records if record.outcomes}
    kept = [(record, file) for record in records if (file := files.get(record.id))]
    deliveries = {record.outputs.get(RAW, record.id): file for record, file in reversed(kept)}
    with ThreadPoolExecutor(THREADS) as pool:
        contents = {sha256} if sha256 else set()
        if path is not None:
            for rows in pool.map(lambda file: _rows(file, [path]), deliveries.values()):
                contents |= {row["sha256"] for row in rows if row["sha256"] is not None}
        names = dict(zip(deliveries, pool.map(_names(contents), deliveries.values()), strict=True))
        named = set() if path is None else {path}
        wanted = [sorted(named | names[record.outputs.get(RAW, record.id)]) for record, _ in kept]
        found = list(pool.map(_rows, [file for _, file in kept], wanted))
    seen = [Seen(record, record.outputs.get(RAW, "")[:8], rows) for (record, _), rows in zip(kept, found, strict=True)]
    return History(seen, [record for record in records if files.get(record.id) is None])


def label(rows: Sequence[dict]) -> str:
    """The boxes of a photograph in words, plate by plate: `license_plate 154 383 386 473`."""
    plates = [" ".join([row["class"], *(f"{row[edge]:g}" for edge in BOX)]) for row in rows if row["class"] is not None]
    return "; ".join(plates) or "no plate"


def outcome(rows: Sequence[dict]) -> str:
    """A photograph's outcome: why it was set aside, or which plates were found."""
    kept = [row for row in rows if row["rejected"] is None]
    if not kept:
        return f"set aside: {rows[0]['rejected']}"
    scored = [row for row in rows if row["found"] is not None]
    words = [
        f"{'found' if row['found'] else 'missed'}, IoU {row['iou']:.2f}, score {row['score']:.2f}" for row in scored
    ]
    return "; ".join(words) or ("trained on" if kept[0]["split"] == "train" else "not scored")


def _names(contents: set[bytes]) -> Callable[[Path], set[str]]:
    """What finds the names that any of some contents has in a file of outcomes."""
    wanted = pa.array(sorted(contents), pa.binary(32))

    def names(file: Path) -> set[str]:
        content = pq.ParquetFile(file)
        found: set[str] = set()
        for group in range(content.num_row_groups) if contents else ():
            same = pc.is_in(content.read_row_group(group, ["sha256"], use_threads=False)["sha256"], value_set=wanted)
            if pc.any(same).as_py():
                found.update(
                    content.read_row_group(group, ["path"], use_threads=False)["path"].filter(same).to_pylist()
                )
        return found

    return names


def _rows(file: Path, paths: Sequence[str]) -> list[dict]:
    """The rows of some paths: the file is sorted by path, so that few of its row groups are read."""
    content = pq.ParquetFile(file)
    metadata = content.metadata
    groups = range(metadata.num_row_groups)

    def end(group: int) -> str:
        return str(metadata.row_group(group).column(0).statistics.max)

    def begin(group: int) -> str:
        return str(metadata.row_group(group).column(0).statistics.min)

    wanted: set[int] = set()
    for path in paths:
        first = bisect_left(groups, path, key=end)
        after = bisect_right(groups, path, lo=first, key=begin)
        wanted.update(range(first, after))
    if not wanted:
        return []
    rows = content.read_row_groups(sorted(wanted), use_threads=False)
    chosen = rows.filter(pc.is_in(rows["path"], value_set=pa.array(list(paths))))
    return list(chosen.to_pylist())
