"""How evenly the photographs of each subset and plate size are divided over the splits."""

from pathlib import Path

import numpy as np
import pandas as pd

from plates import parts
from plates.columns import BOX, SPLITS
from plates.splits.balance import axis_values

MOST_OFF = 0.05
"""A stratum whose share of a split is further than this from that of all photographs is called uneven."""

EXPECTED = 3  # plates of a stratum expected in a split; by chance, none appears once in twenty
COLUMNS = ["path", "class", "province", "subset", "brightness", "width", "height", *BOX]


def strata_of(boxes: Path, splits: Path) -> pd.DataFrame:
    """`strata` of the files of the two tables, a part of them in memory at a time."""
    pairs = parts.beside(parts.by_photograph(parts.read(boxes, COLUMNS)), parts.read(splits))
    return strata(pd.concat([photographs(box.to_pandas(), split.to_pandas()) for box, split in pairs]))


def photographs(boxes: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Of each row of the splits table: `subset`, `size` (of the first box), `split`, and `key`, a hash of the plate.

    Photographs without a plate have no size, and a key of their own.
    """
    first = boxes.drop_duplicates("path")
    sizes = axis_values(first)["size"].reindex(first.index)
    named = pd.DataFrame({"subset": first["subset"], "size": sizes}).set_index(first["path"]).reindex(splits["path"])
    plate = splits["plate"].fillna(splits["path"])
    key = pd.util.hash_pandas_object(plate, index=False, categorize=False).to_numpy()
    return named.assign(split=splits["split"].to_numpy(), key=key).reset_index(drop=True)


def strata(rows: pd.DataFrame) -> pd.DataFrame:
    """How the photographs of each subset and plate size are divided over the splits.

    One row per stratum: `stratum, photographs, train, val, test` (shares, 0..1) and `off`, the largest difference from
    the shares of all photographs. `uneven` is where that is over `MOST_OFF` and over three standard deviations of
    dividing as many plates by chance, and where a split has no plate of a stratum though `EXPECTED` are its share.

    Args:
        rows: of `photographs`.
    """
    split = pd.Categorical(rows["split"], SPLITS).codes
    overall = np.bincount(split, minlength=len(SPLITS)) / len(split)
    found = []
    for axis in ("subset", "size"):
        for value, at in rows.groupby(rows[axis].astype("category"), observed=True).indices.items():
            share = np.bincount(split[at], minlength=len(SPLITS)) / len(at)
            plates = len(np.unique(rows["key"].to_numpy()[at]))
            chance = 3 * np.sqrt(overall * (1 - overall) / plates)
            off = np.abs(share - overall)
            none = (share == 0) & (overall * plates >= EXPECTED)
            shares = dict(zip(SPLITS, share.tolist(), strict=True))
            found.append({"stratum": f"{axis} {value}", "photographs": len(at), **shares, "off": off.max()})
            found[-1]["uneven"] = bool(((off > np.maximum(MOST_OFF, chance)) | none).any())
    return pd.DataFrame(found, columns=["stratum", "photographs", *SPLITS, "off", "uneven"])
