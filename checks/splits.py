"""Nothing stands on two sides of a split: no plate, no name, no identical image; near-duplicates are
counted and shown.
"""

from typing import Any

import pandas as pd
from pydantic import BaseModel

from ccpd.duplicates import nearest
from checks.suite import critical, expectations, run

SIDES = ("train", "val", "test")
NOUNS = {"plate": "plates", "name": "file names", "content": "identical images"}


class Crossing(BaseModel):
    """How many images share a plate, name or content with an image on another side."""

    what: str
    severity: str
    images: int
    groups: int
    success: bool
    examples: list[str]
    sentence: str


class NearDuplicates(BaseModel):
    """How many images of `side` look like one of `reference`; `pairs` are examples (path, path, bits that
    differ).
    """

    side: str
    reference: str
    checked: int
    near: int
    complete: bool
    pairs: list[tuple[str, str, int]]
    sentence: str


def crossings(splits: pd.DataFrame, labels: pd.DataFrame) -> list[Crossing]:
    """Asks the splits table whether a plate, a name with a plate in it, or a content (sha256) stands on
    two sides.

    `labels` (or boxes) gives each path its name and hash. CCPD's official lists do repeat plates (17,415 of
    66,873 stand in two subsets); `ccpd.split.split_officially` leaves out what would leak.
    """
    known = labels.drop_duplicates("path").set_index("path")
    images = splits.drop_duplicates("path")
    keys = {
        "plate": images["plate"],
        "name": images["path"].map(known["name"]).where(images["plate"].notna()),
        "content": images["path"].map(known["sha256"]),
    }
    measured = pd.DataFrame(
        {f"{what}_sides": images["split"].groupby(key).transform("nunique") for what, key in keys.items()}
    ).astype("float64")
    answers = run("splits", measured, questions())
    return [
        _crossing(what, answer.outcome.severity, images.iloc[answer.rows]["path"], keys[what].iloc[answer.rows])
        for what, answer in zip(keys, answers, strict=True)
    ]


def questions() -> list[Any]:
    """The expectations on the number of sides that each plate, name and content stands on."""
    between = expectations().ExpectColumnValuesToBeBetween
    return [
        between(column="plate_sides", max_value=1, **critical("plate_on_one_side", "a plate stands on one side")),
        between(column="name_sides", max_value=1, **critical("name_on_one_side", "a file name stands on one side")),
        between(
            column="content_sides",
            max_value=1,
            **critical("content_on_one_side", "images of identical bytes stand on one side"),
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
        sentence=f"{groups:,} {NOUNS[what]} on two sides ({len(paths):,} images)",
    )


def near_duplicates(splits: pd.DataFrame, hashes: pd.DataFrame, max_distance: int = 3) -> list[NearDuplicates]:
    """Counts the val and test images whose perceptual hash is within `max_distance` of 64 bits of a
    training image's.

    `hashes` is `ccpd.duplicates.hash_images`' table; images without a hash are not checked. Shown, never a
    gate: CCPD photographs the same street over and over.
    """
    table = splits.drop_duplicates("path").merge(hashes, on="path")
    train = table[table["split"] == "train"].reset_index(drop=True)
    found = []
    for side in SIDES[1:]:
        asked = table[table["split"] == side].reset_index(drop=True)
        result = nearest(train["dhash"].to_numpy(), asked["dhash"].to_numpy(), max_distance)
        near = result.index >= 0
        pairs = list(
            zip(
                asked["path"][near].head(12).tolist(),
                train["path"].iloc[result.index[near][:12]].tolist(),
                result.distance[near][:12].tolist(),
                strict=True,
            )
        )
        at_least = "" if result.complete else "at least "
        found.append(
            NearDuplicates(
                side=side,
                reference="train",
                checked=len(asked),
                near=int(near.sum()),
                complete=result.complete,
                pairs=pairs,
                sentence=f"{at_least}{near.sum():,} of {len(asked):,} {side} images look like one in train",
            )
        )
    return found
