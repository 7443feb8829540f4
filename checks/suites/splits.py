"""Nothing is in two splits: no plate, no name, no identical image. Near-duplicates are counted and shown."""

from typing import Any

import pandas as pd
from pydantic import BaseModel

from checks.suites.suite import critical, expectations, run
from plates.columns import SPLITS
from plates.photographs.duplicates import nearest

SHOWN = 12  # pairs of any two splits
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
    """Whether a plate, a name with a plate in it, or a content (sha256) is in two splits.

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
        "name": images["path"].map(known["name"]).where(images["plate"].notna()),
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


def _plates(images: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """By path: its plate that is in the most splits, and in how many (`plate, splits`)."""
    pairs = labels[["path", "plate"]].dropna().drop_duplicates()
    pairs = pairs.assign(split=pairs["path"].map(images.set_index("path")["split"])).dropna(subset="split")
    pairs["splits"] = pairs.groupby("plate")["split"].transform("nunique")
    return pairs.sort_values("splits", ascending=False, kind="stable").drop_duplicates("path").set_index("path")


def questions() -> list[Any]:
    """The expectations on how many splits each plate, name and content is in."""
    between = expectations().ExpectColumnValuesToBeBetween
    return [
        between(column="plate_splits", max_value=1, **critical("plate_in_one_split", "a plate is in one split")),
        between(column="name_splits", max_value=1, **critical("name_in_one_split", "a file name is in one split")),
        between(
            column="content_splits",
            max_value=1,
            **critical("content_in_one_split", "images of identical bytes are in one split"),
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


def near_duplicates(splits: pd.DataFrame, hashes: pd.DataFrame, max_distance: int = 3) -> list[NearDuplicates]:
    """Counts the images whose perceptual hash is near that of one in another split.

    Val and test are compared with train, and test with val. Shown, never a gate: CCPD photographs the same street over
    and over.

    Args:
        splits: the splits table.
        hashes: `path, dhash` (uint64); images without a hash are not checked.
        max_distance: the most of the 64 bits that may differ.
    """
    table = splits.drop_duplicates("path").merge(hashes, on="path")
    of = {split: table[table["split"] == split].reset_index(drop=True) for split in SPLITS}
    return [
        _near(of, split, other, max_distance) for split, other in (("val", "train"), ("test", "train"), ("test", "val"))
    ]


def _near(of: dict[str, pd.DataFrame], split: str, other: str, max_distance: int) -> NearDuplicates:
    asked, known = of[split], of[other]
    result = nearest(known["dhash"].to_numpy(), asked["dhash"].to_numpy(), max_distance)
    near = result.index >= 0
    pairs = zip(
        asked["path"][near].head(SHOWN).tolist(),
        known["path"].iloc[result.index[near][:SHOWN]].tolist(),
        result.distance[near][:SHOWN].tolist(),
        strict=True,
    )
    at_least = "" if result.complete else "at least "
    return NearDuplicates(
        split=split,
        other=other,
        checked=len(asked),
        near=int(near.sum()),
        complete=result.complete,
        pairs=list(pairs),
        sentence=f"{at_least}{near.sum():,} of {len(asked):,} {split} images look like one in {other}",
    )
