"""Who learns from which photograph: train, val and test, so that no plate stands on two sides."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ccpd.balance import axis_values
from ccpd.subsets import SIDES, OfficialLists
from lineage.errors import UserError

SPLITS_SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("path", pa.string()),
        ("subset", pa.string()),
        ("plate", pa.string()),
        ("split", pa.string()),
    ]
)

MOST_OFF = 0.05
"""A stratum whose share of a side is further than this from that of all photographs is called uneven."""


@dataclass(frozen=True)
class Split:
    """`table` (`SPLITS_SCHEMA`, one row a photograph, by path) and what was left out or moved, as counts for the
    reader.
    """

    table: pa.Table
    counts: dict[str, int]


def split_by_plate(boxes: pa.Table, seed: int, val_fraction: float = 0.1, test_fraction: float = 0.2) -> Split:
    """Each plate's side is drawn from a hash of the plate and the seed, so data that is added never moves a plate.

    A negative, having no plate, is drawn by the hash of its content. The hash knows neither subset nor size, so
    each of them is split in the same fractions up to chance: within 0.8 percentage points for every subset and size
    of the 51,710 published labels (seed 0). `strata` measures it, and a check warns. Exact strata would need to move
    plates as data comes in, or to put a plate of two subsets on two sides.

    boxes: columns path, subset, plate, sha256; rows of one path (several plates) go where the first one's plate goes.
    """
    _check_fractions(val_fraction, test_fraction)
    images = _images(boxes)
    keys = pc.coalesce(images["plate"], images["sha256"], images["path"])
    place = _uniform(keys, seed)
    sides = np.where(place < test_fraction, "test", np.where(place < test_fraction + val_fraction, "val", "train"))
    return Split(_table(images, pa.array(sides.tolist(), pa.string())), {})


def strata(boxes: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """How the photographs of each subset, and of each size of plate, are divided over the sides.

    One row a stratum: `stratum, photographs, train, val, test` (shares, 0..1) and `off`, the largest difference from
    the shares of all photographs. `uneven` is where that is over `MOST_OFF` and over three standard deviations of
    dividing as many plates by chance. Photographs without a plate are in no stratum of size.
    """
    first = boxes.drop_duplicates("path")
    names = pd.DataFrame({"subset": first["subset"], "size": axis_values(first)["size"].reindex(first.index)})
    names = names.set_index(first["path"]).reindex(splits["path"])
    side = splits["split"].to_numpy()
    plates = splits["plate"].fillna(splits["path"]).to_numpy()
    overall = pd.Series(side).value_counts(normalize=True).reindex(SIDES, fill_value=0.0)
    rows = []
    for axis in ("subset", "size"):
        for value, rows_of in pd.Series(np.arange(len(side))).groupby(names[axis].to_numpy()):
            share = pd.Series(side[rows_of]).value_counts(normalize=True).reindex(SIDES, fill_value=0.0)
            chance = 3 * np.sqrt(overall * (1 - overall) / len(np.unique(plates[rows_of])))
            off = (share - overall).abs()
            uneven = bool((off > np.maximum(MOST_OFF, chance)).any())
            rows.append({"stratum": f"{axis} {value}", "photographs": len(rows_of), **share, "off": off.max()})
            rows[-1]["uneven"] = uneven
    return pd.DataFrame(rows, columns=["stratum", "photographs", *SIDES, "off", "uneven"])


def split_officially(boxes: pa.Table, lists: OfficialLists) -> Split:
    """The authors' sides: train and val by the lists, test subsets to test; leaves out what would leak.

    Photographs on no list are left out. So are those of train and val whose plate is in test, and those of train
    whose plate is in val: the dataset's own lists share plates, and CCPD's scores are read on test, which stays
    whole.
    """
    images = _images(boxes)
    sides = pa.array([lists.sides.get(path) for path in images["path"].to_pylist()], pa.string())
    counts = {"on no official list": sides.null_count}
    images, sides = images.filter(pc.is_valid(sides)), sides.drop_null()
    plates = images["plate"]
    for side, above in (("val", ("test",)), ("train", ("test", "val"))):
        elsewhere = pc.unique(plates.filter(pc.is_in(sides, pa.array(above)))).drop_null()
        leaks = pc.and_(pc.equal(sides, side), pc.is_in(plates, elsewhere))
        counts[f"of {side}, the plate is in {' or '.join(above)}"] = pc.sum(leaks).as_py() or 0
        images, sides = images.filter(pc.invert(leaks)), sides.filter(pc.invert(leaks))
        plates = images["plate"]
    return Split(_table(images, sides), counts)


def _images(boxes: pa.Table) -> pa.Table:
    """One row a path, by path, with the first plate of each."""
    names = ["path", "subset", "plate", "sha256"]
    columns = (
        boxes.select(names)
        .cast(pa.schema([(name, pa.string()) for name in names]))
        .sort_by([("path", "ascending"), ("plate", "ascending")])
    )
    paths = columns["path"].combine_chunks()
    first = np.ones(len(paths), bool)
    if len(paths) > 1:
        first[1:] = pc.not_equal(paths[1:], paths[:-1]).to_numpy(zero_copy_only=False)
    return columns.filter(pa.array(first)).combine_chunks()


def _uniform(keys: pa.Array | pa.ChunkedArray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each key, that depends on the key and the seed alone."""
    distinct = (
        pc.dictionary_encode(keys).combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys.dictionary_encode()
    )
    salt = str(seed).encode() + b":"
    digests = [hashlib.blake2b(salt + key.encode(), digest_size=8).digest() for key in distinct.dictionary.to_pylist()]
    numbers = np.frombuffer(b"".join(digests), ">u8").astype(np.float64) / 2.0**64
    return numbers[distinct.indices.to_numpy()]


def _table(images: pa.Table, sides: pa.Array) -> pa.Table:
    ids = pa.array(np.arange(1, len(images) + 1))
    columns = [ids, images["path"], images["subset"], images["plate"], sides]
    return pa.table(columns, schema=SPLITS_SCHEMA)


def _check_fractions(val_fraction: float, test_fraction: float) -> None:
    if val_fraction < 0 or test_fraction < 0 or val_fraction + test_fraction >= 1:
        raise UserError(
            f"split.val_fraction is {val_fraction} and split.test_fraction {test_fraction}: "
            f"both must be 0 or more and leave something of 1 to {SIDES[0]}."
        )
