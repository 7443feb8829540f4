"""Divides photographs into train, val and test, so that no plate is in two splits."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from plates.ccpd.subsets import OfficialLists
from plates.columns import SPLITS
from plates.errors import UserError

SPLITS_SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("path", pa.string()),
        ("subset", pa.string()),
        ("plate", pa.string()),
        ("split", pa.string()),
    ]
)

LAST = "\U0010ffff"  # sorts after every plate, as a missing one does
DRAWN = ("test", "val", "train")
"""The splits in the order in which a number in [0, 1) is divided among them."""

BATCH = 1 << 20  # keys as Python strings at a time


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
    51,710 published labels (seed 0). `plates.splits.strata` measures this, and a check warns. Exact strata would need
    to move plates as data is added, or to put a plate of two subsets in two splits.

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
    return Division(_table(images, pa.array(DRAWN).take(pa.array(splits))), counts)


def groups(boxes: pa.Table) -> int:
    """How many parts the photographs of a boxes table can be divided into at most.

    They are its plates, those that share a photograph counted once, and its photographs without one.
    """
    return pc.count_distinct(_images(boxes)["key"]).as_py()


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
    drawn = _drawn(place, val_fraction, 0.0 if lists.missing else test_fraction)
    splits[divided] = np.array(DRAWN, object)[drawn[divided]]
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
    columns = boxes.select(names).cast(pa.schema([(name, pa.string()) for name in names]))
    if not _in_order(columns):
        columns = columns.sort_by([("path", "ascending"), ("plate", "ascending")])
    first = np.ones(len(columns), bool)
    first[1:] = pc.not_equal(columns["path"][1:], columns["path"][:-1]).to_numpy()
    images = columns if first.all() else columns.filter(pa.array(first))
    key = pc.coalesce(_joined(columns["plate"].combine_chunks(), first), images["sha256"], images["path"])
    return images.append_column("key", key)


def _in_order(columns: pa.Table) -> bool:
    """Whether the rows are by path and, of one photograph, by plate: a copy in order costs as much again."""
    path, plate = columns["path"], pc.fill_null(columns["plate"], LAST)
    later = pc.greater(path[1:], path[:-1])
    same = pc.and_(pc.equal(path[1:], path[:-1]), pc.greater_equal(plate[1:], plate[:-1]))
    return pc.all(pc.or_(later, same)).as_py() is not False


def _joined(plates: pa.Array, first: np.ndarray) -> pa.Array:
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
    distinct = (keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys).dictionary_encode()
    salt = str(seed).encode() + b":"
    digests = bytearray()
    for start in range(0, len(distinct.dictionary), BATCH):
        for key in distinct.dictionary.slice(start, BATCH).to_pylist():
            digests += hashlib.blake2b(salt + key.encode(), digest_size=8).digest()
    numbers = np.frombuffer(digests, ">u8").astype(np.float64) / 2.0**64
    return numbers[distinct.indices.to_numpy()]


def _drawn(place: np.ndarray, val_fraction: float, test_fraction: float) -> np.ndarray:
    """The number in `DRAWN` of the split of each place."""
    return (place >= test_fraction).astype(np.int8) + (place >= test_fraction + val_fraction)


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
    return (rank >= first).astype(np.int8) + (rank >= second)


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
