"""What must be known of a whole delivery before its parts are judged: how large it is, and which photographs are alike.

Of every photograph a few 64-bit hashes are held; only those whose hash occurs twice are compared in full.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from checks.suites.delivery import Delivery
from checks.suites.measures import sharing
from plates.columns import BOX
from plates.errors import UserError
from plates.parts import hashes, repeated


@dataclass(frozen=True)
class Whole:
    """The size of a delivery, and `checks.suites.measures.sharing` of the photographs that share something."""

    size: Delivery
    shared: pd.DataFrame


def survey(parts: Callable[[], Iterable[pd.DataFrame]]) -> Whole:
    """Reads a delivery twice.

    Args:
        parts: gives the labels table in parts with whole photographs, from the start at every call.

    Raises:
        UserError: the table is empty.
    """
    names, contents, rows = [], [], []
    subsets: Counter[str] = Counter()
    for labels in parts():
        photographs = labels.drop_duplicates("path")
        names.append(hashes(photographs, ["subset", "name"], known="name"))
        contents.append(hashes(photographs, ["sha256"], known="sha256"))
        rows.append(row_hashes(labels))
        subsets.update(labels["subset"].dropna().value_counts().to_dict())
    if not sum(map(len, rows)):
        raise UserError(
            "There are no annotations to validate: the labels table is empty. Look at the data: plates doctor"
        )
    alike = repeated(np.concatenate(names)) | repeated(np.concatenate(contents))
    counts = {str(name): int(count) for name, count in sorted(subsets.items())}
    size = Delivery(rows=sum(map(len, rows)), subsets=counts, digest=digest(rows))
    start, chosen = 0, []
    for labels in parts():
        photograph, paths = pd.factorize(labels["path"])
        chosen.append(labels[alike[start + photograph]])
        start += len(paths)
    return Whole(size, sharing(pd.concat(chosen, ignore_index=True)))


def row_hashes(labels: pd.DataFrame) -> np.ndarray:
    """A hash of each photograph and its box."""
    return pd.util.hash_pandas_object(labels[["path", "sha256", *BOX]], index=False).to_numpy()


def digest(rows: list[np.ndarray]) -> str:
    """A hash of all photographs and their boxes, whatever their order, from `row_hashes` of the parts."""
    return hashlib.sha256(np.sort(np.concatenate(rows)).tobytes()).hexdigest()
