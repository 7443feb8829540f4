"""Which photographs a record's model has learnt from."""

from pathlib import Path

import pandas as pd

from plates.lineage.cache import Cache
from plates.lineage.record import Record

SPLITS = "data/splits.parquet"


def trained_on(root: Path, record: Record) -> set[str] | None:
    """Photographs that a record's model was trained on or chosen by, by path; None if the cache lacks the splits."""
    file = Cache.of(root).find(record.outputs.get(SPLITS, ""))
    if file is None:
        return None
    splits = pd.read_parquet(file, columns=["path", "split"])
    return set(splits.loc[splits["split"].isin(["train", "val"]), "path"])
