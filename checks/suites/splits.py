"""Nothing is in two splits: no plate, no name, no identical image. Near-duplicates are counted and shown."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from checks.suites.suite import between, critical, run
from plates.columns import SPLITS
from plates.parts import hashes
from plates.photographs.duplicates import nearest

SHOWN = 12  # pairs of any two splits
HASHES = pa.schema([("path", pa.string()), ("dhash", pa.uint64())])
KEYS = {"plate": "plate", "name": "name", "content": "sha256"}
NOUNS = {"plate": "plates", "name": "file names", "content": "identical images"}


class Crossing(BaseModel):
    """How many images share a plate, name or content with an image in another split."""

    what: str
    severity: str
    images: int
    groups: int
    success: bool
    examples: list[str]
    sentence: str


class NearDuplicates(BaseModel):
    """How many images of one split look like one of another.

    Attributes:
        split: the images that were asked about.
        other: the images that they were compared with.
        complete: false if the cap on comparisons was reached: there may be more.
        pairs: examples (path, path, bits that differ).
    """

    split: str
    other: str
    checked: int
    near: int
    complete: bool
    pairs: list[tuple[str, str, int]]
    sentence: str


def crossings(splits: pd.DataFrame, labels: pd.DataFrame) -> list[Crossing]:
    """Whether a plate, a name that is a CCPD label, or a content (sha256) is in two splits.

    CCPD's official lists repeat plates (17,415 of 66,873 are in two subsets);
    `plates.splits.split.split_officially` leaves out what would leak.

    Args:
        splits: the splits table.
        labels: labels or boxes, which give each path its plates, name and hash.
    """
    known = labels.drop_duplicates("path").set_index("path")
    images = splits.drop_duplicates("path")
    plates = _plates(images, labels)
    keys = {
        "plate": images["path"].map(plates["plate"]),
        "name": images["path"].map(known["name"].where(known["area_ratio"].notna())),
        "content": images["path"].map(known["sha256"]),
    }
    measured = pd.DataFrame(
        {"plate_splits": images["path"].map(plates["splits"])}
        | {f"{what}_splits": images["split"].groupby(keys[what]).transform("nunique") for what in ("name", "content")}
    ).astype("float64")
    answers = run("splits", measured, questions())
    return [
        _crossing(what, answer.outcome.severity, images.iloc[answer.rows]["path"], keys[what].iloc[answer.rows])
        for what, answer in zip(keys, answers, strict=True)
    ]


def suspects(pairs: Callable[[], Iterable[tuple[pd.DataFrame, pd.DataFrame]]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that `crossings` must see: of photographs with a plate, name or content that may be in two splits.

    Args:
        pairs: gives parts of the labels with whole photographs, each with its part of the splits table, from the start
            at every call.

    Returns:
        Rows of the splits table and of the labels.
    """
    known: dict[str, list[np.ndarray]] = {what: [] for what in KEYS}
    split: list[np.ndarray] = []
    for labels, splits in pairs():
        split.append(pd.Categorical(labels["path"].map(splits.set_index("path")["split"]), SPLITS).codes)
        for what, column in KEYS.items():
            known[what].append(hashes(labels, [column], known=column))
    of_row = np.concatenate(split)
    crossing = np.zeros(len(of_row), bool)
    for found in known.values():
        crossing |= _in_several(np.concatenate(found), of_row)
    rows, start = [], 0
    for labels, splits in pairs():
        paths = labels["path"][crossing[start : start + len(labels)]]
        start += len(labels)
        rows.append((splits[splits["path"].isin(paths)], labels[labels["path"].isin(paths)]))
    of_splits, of_labels = (pd.concat(tables, ignore_index=True) for tables in zip(*rows, strict=True))
    return of_splits, of_labels


def _in_several(keys: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Whether [N] the key of a row is in several splits; those that are 0, or whose split is -1, do not count."""
    at = np.flatnonzero((keys > 0) & (split >= 0))
    at = at[np.lexsort((split[at], keys[at]))]
    differ = (keys[at][1:] == keys[at][:-1]) & (split[at][1:] != split[at][:-1])
    return np.isin(keys, np.unique(keys[at][1:][differ]))


def _plates(images: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """By path: its plate that is in the most splits, and in how many (`plate, splits`)."""
    pairs = labels[["path", "plate"]].dropna().drop_duplicates()
    pairs = pairs.assign(split=pairs["path"].map(images.set_index("path")["split"])).dropna(subset="split")
    pairs["splits"] = pairs.groupby("plate")["split"].transform("nunique")
    return pairs.sort_values("splits", ascending=False, kind="stable").drop_duplicates("path").set_index("path")


def questions() -> list[Any]:
    """The expectations on how many splits each plate, name and content is in."""
    return [
        between("plate_splits", critical("plate_in_one_split", "a plate is in one split"), high=1),
        between(
            "name_splits", critical("name_in_one_split", "a file name that is a CCPD label is in one split"), high=1
        ),
        between(
            "content_splits", critical("content_in_one_split", "images of identical bytes are in one split"), high=1
        ),
    ]


def _crossing(what: str, severity: str, paths: pd.Series, keys: pd.Series) -> Crossing:
    groups = keys.nunique()
    return Crossing(
        what=what,
        severity=severity,
        images=len(paths),
        groups=groups,
        success=not len(paths),
        examples=keys.drop_duplicates().head(3).tolist(),
        sentence=f"{groups:,} {NOUNS[what]} in two splits ({len(paths):,} images)",
    )


def near_duplicates(pairs: Iterable[tuple[pd.DataFrame, pd.DataFrame]], max_distance: int = 3) -> list[NearDuplicates]:
    """Counts the images whose perceptual hash is near that of one in another split.

    Val and test are compared with train, and test with val. Shown, never a gate: CCPD photographs the same street over
    and over.

    Args:
        pairs: parts of a table of hashes (`path, dhash`, uint64), each with its part of the splits table.
        max_distance: the most of the 64 bits that may differ.
    """
    parts = [_hashed(hashes, splits) for hashes, splits in pairs]
    of = {split: pa.concat_tables(part[split] for part in parts) for split in SPLITS}
    return [
        _near(of, split, other, max_distance) for split, other in (("val", "train"), ("test", "train"), ("test", "val"))
    ]


def _hashed(hashes: pd.DataFrame, splits: pd.DataFrame) -> dict[str, pa.Table]:
    """By split: the path and the hash of its images."""
    split = hashes["path"].map(splits.set_index("path")["split"])
    return {name: pa.Table.from_pandas(hashes[split == name], HASHES, preserve_index=False) for name in SPLITS}


def _near(of: dict[str, pa.Table], split: str, other: str, max_distance: int) -> NearDuplicates:
    asked, known = of[split], of[other]
    result = nearest(known["dhash"].to_numpy(), asked["dhash"].to_numpy(), max_distance)
    near = np.flatnonzero(result.index >= 0)
    first = near[:SHOWN]
    pairs = zip(
        [asked["path"][row].as_py() for row in first.tolist()],
        [known["path"][row].as_py() for row in result.index[first].tolist()],
        result.distance[first].tolist(),
        strict=True,
    )
    at_least = "" if result.complete else "at least "
    return NearDuplicates(
        split=split,
        other=other,
        checked=len(asked),
        near=len(near),
        complete=result.complete,
        pairs=list(pairs),
        sentence=f"{at_least}{len(near):,} of {len(asked):,} {split} images look like one in {other}",
    )
