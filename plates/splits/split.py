"""Divides photographs into train, val and test, so that no plate is in two splits."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from plates.ccpd.subsets import OfficialLists
from plates.columns import SPLITS
from plates.errors import UserError
from plates.splits.balance import axis_values

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
"""A stratum whose share of a split is further than this from that of all photographs is called uneven."""

EXPECTED = 3  # plates of a stratum expected in a split; by chance, none appears once in twenty


@dataclass(frozen=True)
class Division:
    """Which photograph is in which split.

    Attributes:
        table: one row per photograph, by path (`SPLITS_SCHEMA`).
        counts: what was left out or moved, in words.
    """

    table: pa.Table
    counts: dict[str, int]


def split_by_plate(boxes: pa.Table, seed: int, val_fraction: float = 0.1, test_fraction: float = 0.2) -> Division:
    """Each plate's split is drawn from a hash of the plate and the seed, so adding data never moves a plate.

    The exception: if plates are so few that a split would be empty, it gets the plates drawn nearest to it, one if that
    is enough; these may move again as plates are added.

    A negative has no plate and is drawn by the hash of its content. The hash does not depend on subset or size, so each
    of them is split in the same fractions up to chance: within 0.8 percentage points for every subset and size of the
    51,710 published labels (seed 0). `strata` measures this, and a check warns. Exact strata would need to move plates
    as data is added, or to put a plate of two subsets in two splits.

    Args:
        boxes: columns path, subset, plate, sha256. Plates in one photograph go to one split, and so does every
            photograph that is joined by them.
        seed: of the hash.
        val_fraction: share of the plates for validation.
        test_fraction: share of the plates for test.
    """
    _check_fractions(val_fraction, test_fraction)
    images = _images(boxes)
    place = _uniform(images["key"], seed)
    drawn = _drawn(place, val_fraction, test_fraction)
    splits = _none_empty(place, val_fraction, test_fraction)
    moved = int((splits != drawn).sum())
    counts = {"moved so that no split is empty": moved} if moved else {}
    return Division(_table(images, pa.array(splits.tolist(), pa.string())), counts)


def groups(boxes: pa.Table) -> int:
    """How many parts the photographs of a boxes table can be divided into at most.

    They are its plates, those that share a photograph counted once, and its photographs without one.
    """
    return pc.count_distinct(_images(boxes)["key"]).as_py()


def strata(boxes: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """How the photographs of each subset and plate size are divided over the splits.

    One row per stratum: `stratum, photographs, train, val, test` (shares, 0..1) and `off`, the largest difference from
    the shares of all photographs. `uneven` is where that is over `MOST_OFF` and over three standard deviations of
    dividing as many plates by chance, and where a split has no plate of a stratum though `EXPECTED` are its share.
    Photographs without a plate are in no stratum of size.
    """
    first = boxes.drop_duplicates("path")
    names = pd.DataFrame({"subset": first["subset"], "size": axis_values(first)["size"].reindex(first.index)})
    names = names.set_index(first["path"]).reindex(splits["path"])
    split = splits["split"].to_numpy()
    plates = splits["plate"].fillna(splits["path"]).to_numpy()
    overall = pd.Series(split).value_counts(normalize=True).reindex(SPLITS, fill_value=0.0)
    rows = []
    for axis in ("subset", "size"):
        for value, rows_of in pd.Series(np.arange(len(split))).groupby(names[axis].to_numpy()):
            share = pd.Series(split[rows_of]).value_counts(normalize=True).reindex(SPLITS, fill_value=0.0)
            chance = 3 * np.sqrt(overall * (1 - overall) / len(np.unique(plates[rows_of])))
            off = (share - overall).abs()
            none = (share == 0) & (overall * len(np.unique(plates[rows_of])) >= EXPECTED)
            uneven = bool(((off > np.maximum(MOST_OFF, chance)) | none).any())
            rows.append({"stratum": f"{axis} {value}", "photographs": len(rows_of), **share, "off": off.max()})
            rows[-1]["uneven"] = uneven
    return pd.DataFrame(rows, columns=["stratum", "photographs", *SPLITS, "off", "uneven"])


def split_officially(
    boxes: pa.Table, lists: OfficialLists, seed: int, val_fraction: float = 0.1, test_fraction: float = 0.2
) -> Division:
    """The authors' splits: train and val by the lists, test subsets to test; leaves out what would leak.

    Photographs on no list are left out, except for subsets that no list covers (`lists.divided`): those are divided by
    plate into train and val or, if there are no lists but only CCPD2020's folders, into train, val and test. If no
    photograph listed for test is there, half of val's plates are used for test.

    Photographs of train and val whose plate is in test, and those of train whose plate is in val, are left out: the
    dataset's own lists share plates, and CCPD's scores are read on test, which stays complete.
    """
    _check_fractions(val_fraction, test_fraction)
    images = _images(boxes)
    place = _uniform(images["key"], seed)
    splits = np.array([lists.splits.get(path) for path in images["path"].to_pylist()], object)
    divided = np.array([split is None for split in splits]) & np.isin(images["subset"].to_pylist(), lists.divided)
    splits[divided] = _drawn(place, val_fraction, 0.0 if lists.missing else test_fraction)[divided]
    counts = {f"of {subset}, which no list covers, divided by plate": 0 for subset in lists.divided}
    for subset in np.array(images["subset"].to_pylist(), object)[divided]:
        counts[f"of {subset}, which no list covers, divided by plate"] += 1
    if "test" not in splits:
        halved = (splits == "val") & (_uniform(images["key"], seed + 1) < 0.5)
        splits[halved] = "test"
        counts["of val, used for test: no test photograph of the lists exists"] = int(halved.sum())
    return _without_leaks(images, pa.array(splits.tolist(), pa.string()), counts)


def _without_leaks(images: pa.Table, splits: pa.Array, counts: dict[str, int]) -> Division:
    counts["on no official list"] = splits.null_count
    images, splits = images.filter(pc.is_valid(splits)), splits.drop_null()
    plates = images["plate"]
    for split, above in (("val", ("test",)), ("train", ("test", "val"))):
        elsewhere = pc.unique(plates.filter(pc.is_in(splits, pa.array(above)))).drop_null()
        leaks = pc.and_(pc.equal(splits, split), pc.is_in(plates, elsewhere))
        counts[f"of {split}, left out: the plate is in {' or '.join(above)}"] = pc.sum(leaks).as_py() or 0
        images, splits = images.filter(pc.invert(leaks)), splits.filter(pc.invert(leaks))
        plates = images["plate"]
    return Division(_table(images, splits), counts)


def _images(boxes: pa.Table) -> pa.Table:
    """One row per path, by path, with the first plate of each and a `key`: what may be in one split only.

    The key is the plate, the content of a photograph without one, or, for plates that share a photograph, the first of
    all plates that are joined so.
    """
    names = ["path", "subset", "plate", "sha256"]
    columns = (
        boxes.select(names)
        .cast(pa.schema([(name, pa.string()) for name in names]))
        .sort_by([("path", "ascending"), ("plate", "ascending")])
        .combine_chunks()
    )
    paths, plates = columns["path"].combine_chunks(), columns["plate"].combine_chunks()
    first = np.ones(len(paths), bool)
    if len(paths) > 1:
        first[1:] = pc.not_equal(paths[1:], paths[:-1]).to_numpy(zero_copy_only=False)
    images = columns.filter(pa.array(first)).combine_chunks()
    key = pc.coalesce(_joined(paths, plates, first), images["sha256"], images["path"])
    return images.append_column("key", key)


def _joined(paths: pa.Array, plates: pa.Array, first: np.ndarray) -> pa.Array:
    """For each first row of a path, the first of the plates that are joined to its own by photographs of several."""
    distinct = plates.dictionary_encode()
    number = distinct.indices.fill_null(-1).to_numpy()
    photograph = np.cumsum(first) - 1
    if first.all() or not len(distinct.dictionary):
        return plates.filter(pa.array(first))
    known = number >= 0
    plate_of = csr_matrix(
        (np.ones(known.sum()), (photograph[known], number[known])), (photograph[-1] + 1, len(distinct.dictionary))
    )
    _, component = connected_components(plate_of.T @ plate_of, directed=False)
    order = pc.rank(distinct.dictionary).to_numpy()
    smallest = np.full(component.max() + 1, len(order) + 1)
    np.minimum.at(smallest, component, order)
    by_rank = np.argsort(order)
    names = distinct.dictionary.take(pa.array(by_rank[smallest[component] - 1]))
    return names.take(pa.array(number[first], mask=~known[first]))


def _uniform(keys: pa.Array | pa.ChunkedArray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each key, that depends on the key and the seed alone."""
    distinct = (
        pc.dictionary_encode(keys).combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys.dictionary_encode()
    )
    salt = str(seed).encode() + b":"
    digests = [hashlib.blake2b(salt + key.encode(), digest_size=8).digest() for key in distinct.dictionary.to_pylist()]
    numbers = np.frombuffer(b"".join(digests), ">u8").astype(np.float64) / 2.0**64
    return numbers[distinct.indices.to_numpy()]


def _drawn(place: np.ndarray, val_fraction: float, test_fraction: float) -> np.ndarray:
    return np.where(place < test_fraction, "test", np.where(place < test_fraction + val_fraction, "val", "train"))


def _none_empty(place: np.ndarray, val_fraction: float, test_fraction: float) -> np.ndarray:
    """As `_drawn`, with the two limits moved so far that each split that is asked for has one of the places."""
    places = np.unique(place)
    tests, others = int(test_fraction > 0), int(val_fraction > 0)
    if len(places) <= tests + others:
        return _drawn(place, val_fraction, test_fraction)
    drawn_before = np.searchsorted(places, [test_fraction, test_fraction + val_fraction])
    first = min(max(drawn_before[0], tests), len(places) - 1 - others)
    second = min(max(drawn_before[1], first + others), len(places) - 1)
    rank = np.searchsorted(places, place)
    return np.where(rank < first, "test", np.where(rank < second, "val", "train"))


def _table(images: pa.Table, splits: pa.Array) -> pa.Table:
    ids = pa.array(np.arange(1, len(images) + 1))
    columns = [ids, images["path"], images["subset"], images["plate"], splits]
    return pa.table(columns, schema=SPLITS_SCHEMA)


def _check_fractions(val_fraction: float, test_fraction: float) -> None:
    if val_fraction < 0 or test_fraction < 0 or val_fraction + test_fraction >= 1:
        raise UserError(
            f"split.val_fraction is {val_fraction} and split.test_fraction {test_fraction}: "
            f"both must be 0 or more and sum to less than 1, which leaves the rest to {SPLITS[0]}."
        )
