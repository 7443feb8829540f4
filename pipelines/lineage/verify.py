"""Verifies a record: runs its stages again and compares every output with the recorded hash."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.lineage import again
from plates.files import read_json
from plates.hashes import content_hash
from plates.lineage import differences, environment
from plates.lineage.cache import Cache
from plates.lineage.origin import Steps
from plates.lineage.record import Record, flat
from plates.lineage.restore import Fetch, restore_to
from plates.metrics import EVALUATION

AGAIN = ("evaluation",)
DEEP = ("anchors", "checkpoint", "evaluation", "exported_model")


@dataclass(frozen=True)
class Verified:
    """The result of running a record's stages again.

    Attributes:
        same: the outputs that are byte for byte the record's.
        differs: the others, in the order they are made: the first is where the difference begins.
        figures: each figure that differs: name, the record's, now.
        first: what differs in the first of them, in words; empty if that cannot be said.
        circumstances: packages and parts of the machine that have changed.
    """

    same: Sequence[str]
    differs: Sequence[str]
    figures: Sequence[tuple[str, Any, Any]]
    first: str
    circumstances: Sequence[str]


def verify(
    root: Path, record: Record, folder: Path, fetch: Fetch | None, say: Callable[[str], None], deep: bool = False
) -> Verified:
    """Restores a record into a separate folder and runs its evaluation again there.

    Neither the photographs nor DVC are needed: the evaluation reads TFRecords, tables and the checkpoint.

    Args:
        root: the project's folder.
        record: the one to verify.
        folder: a new or empty one.
        fetch: as in `plates.lineage.restore.restore`.
        say: takes a line as each stage begins.
        deep: fit the anchors, train and export again too.

    Raises:
        UserError: the record cannot be brought back, or a stage fails.
    """
    restore_to(root, record, folder, fetch)
    steps, wanted = Steps(record), DEEP if deep else AGAIN
    stages = [name for name in steps.stages if name in wanted]
    again.remove(folder, steps, stages)
    again.run(folder, steps, stages, say)
    same: list[str] = []
    differs: list[str] = []
    for stage in stages:
        for out in steps.stages[stage]["outs"]:
            path = out["path"]
            if path in record.outputs:
                (same if content_hash(folder / path) == record.outputs[path] else differs).append(path)
    now = read_json(folder / EVALUATION)
    return Verified(
        same,
        differs,
        _figures(record.metrics, now),
        _in_words(Cache.of(root), record, folder, differs[0]) if differs else "",
        circumstances(record),
    )


def circumstances(record: Record) -> list[str]:
    """The packages and parts of the machine that differ from the record's."""
    here = record.model_copy(update={"packages": environment.packages(), "machine": environment.machine()})
    return [*differences.packages(record, here).lines, *differences.machine(record, here).lines]


def _figures(recorded: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    one, two = flat(recorded), flat(now)
    return [
        (key, one.get(key), two.get(key)) for key in sorted(one.keys() | two.keys()) if one.get(key) != two.get(key)
    ]


def _in_words(cache: Cache, record: Record, folder: Path, path: str) -> str:
    """How a table differs from the recorded one; which files of a folder differ."""
    md5, here = record.outputs[path], folder / path
    if md5.endswith(".dir") and cache.find(md5):
        files = [
            name for name, of in cache.files(md5) if not (here / name).is_file() or content_hash(here / name) != of
        ]
        return f"in {', '.join(files)}"
    kept = cache.find(md5)
    if kept is None or here.suffix != ".parquet":
        return ""
    before, after = pd.read_parquet(kept), pd.read_parquet(here)
    if before.shape != after.shape:
        return f"{len(before):,} rows before, {len(after):,} now"
    rows = (before.ne(after) & ~(before.isna() & after.isna())).any(axis=1)
    numbers = before.select_dtypes("number").columns
    most = (before[numbers] - after[numbers]).abs().max().max()
    return f"{int(rows.sum()):,} of {len(rows):,} rows, by {most:.2g} at most"
