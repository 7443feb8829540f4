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
