"""Which photographs a record's model has learnt from."""

from pathlib import Path

import pandas as pd

from plates.lineage.cache import Cache
from plates.lineage.record import Record

SPLITS = "data/splits.parquet"
PHOTOGRAPHS = "data/raw_images.parquet"


def trained_on(root: Path, record: Record) -> set[str] | None:
    """Photographs that a record's model was trained on or chosen by: their SHA-256, since paths and names change.

    Of converted ones, that of both files. None if the cache lacks the splits or the photographs' hashes.
    """
    cache = Cache.of(root)
    splits, photographs = (cache.find(record.outputs.get(name, "")) for name in (SPLITS, PHOTOGRAPHS))
    if splits is None or photographs is None:
        return None
    seen = pd.read_parquet(splits, columns=["path"], filters=[("split", "in", ["train", "val"])])
    hashes = pd.read_parquet(photographs, columns=["path", "sha256", "source_sha256"])
    hashes = hashes[hashes["path"].isin(seen["path"])]
    return set(hashes["sha256"]) | set(hashes["source_sha256"].dropna())


def learnt(expected: pd.DataFrame, seen: set[str], photographs: Path | None) -> pd.Series:
    """Whether each row's photograph is among `seen`, by its own content or by that of the file it was converted from.

    Args:
        expected: with path and sha256.
        seen: of `trained_on`.
        photographs: the `raw_images` table that `expected` was made from; None: its files are as they were delivered.
    """
    own = expected["sha256"].isin(seen)
    if photographs is None:
        return own
    sources = pd.read_parquet(photographs, columns=["path", "source_sha256"]).set_index("path")["source_sha256"]
    return own | expected["path"].map(sources).isin(seen)
