"""Photographs that look alike: a 64-bit perceptual hash of each, and a search for near ones.

The hash is dHash: the picture at 9x8 grey pixels, one bit for each pixel that is brighter than its right
neighbour. JPEGs are decoded at an eighth of their size. Hashes within `d` bits of each other agree in at
least one of `d + 1` bands (pigeonhole), so only photographs that share a band are compared.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lineage.files import write_parquet

CHUNK = 4_000_000
"""Candidate pairs compared at a time: about 100 MB."""


@dataclass(frozen=True)
class Nearest:
    """For each hash asked about, the position of its nearest reference (-1: none near) and the distance in
    bits.

    `complete` is false where the cap on comparisons was reached: there may be more.
    """

    index: np.ndarray
    distance: np.ndarray
    complete: bool


def dhash(path: Path) -> int:
    """The hash of one image file. Raises `OSError` for a file that does not decode."""
    with Image.open(path) as image:
        image.draft("L", (90, 145))
        grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = np.packbits(grey[:, :-1] > grey[:, 1:])
    return int.from_bytes(bits.tobytes(), "big")


def hash_images(
    images: pd.DataFrame,
    root: Path,
    cache: Path | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Hashes the images of a table with `path` and `sha256`; returns `path, dhash` (uint64), one row for
    each readable one.

    `cache` is a Parquet file of the hashes known by content, read and brought up to date. `limit` hashes at
    most so many images, spread evenly over the sorted paths: the rows left out are the caller's to count.
    `progress` gets (done, all).
    """
    images = images[["path", "sha256"]].drop_duplicates("path").sort_values("path").reset_index(drop=True)
    if limit is not None and len(images) > limit:
        images = images.iloc[np.linspace(0, len(images) - 1, limit).astype(np.int64)].reset_index(drop=True)
    known = pd.Series(dtype="UInt64", index=pd.Index([], dtype="str"))
    if cache is not None and cache.exists():
        known = pd.read_parquet(cache).set_index("sha256")["dhash"].astype("UInt64")
    found = images["sha256"].map(known)
    hashes = found.fillna(0).to_numpy(np.uint64, copy=True)
    readable = found.notna().to_numpy(copy=True)
    unknown = np.flatnonzero(~readable)

    def one(position: int) -> None:
        try:
            hashes[position] = dhash(root / images["path"].iloc[position])
            readable[position] = True
        except OSError:
            pass

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(one, unknown.tolist()), 1):
            if progress and (done % 500 == 0 or done == len(unknown)):
                progress(done, len(unknown))
    result = images.assign(dhash=hashes)[readable].reset_index(drop=True)
    if cache is not None and readable[unknown].any():
        both = pd.concat([result[["sha256", "dhash"]], known.rename("dhash").rename_axis("sha256").reset_index()])
        both = both.dropna(subset="sha256").drop_duplicates("sha256").sort_values("sha256")
        write_parquet(cache, both.astype({"dhash": "uint64"}))
    return result[["path", "dhash"]]


def nearest(
    reference: np.ndarray, current: np.ndarray, max_distance: int = 3, max_comparisons: int = 2_000_000_000
) -> Nearest:
    """For each of `current` (uint64 [M]) its nearest of `reference` (uint64 [N]) within `max_distance`
    bits.
    """
    hashes, first = np.unique(reference, return_index=True)
    index = np.full(len(current), -1, np.int64)
    distance = np.full(len(current), max_distance + 1, np.int64)
    bands = max_distance + 1
    edges = [64 * band // bands for band in range(bands + 1)]
    compared = 0
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        keys = (hashes >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        asked = (current >> np.uint64(low)) & mask
        start = np.searchsorted(keys[order], asked, "left")
        counts = np.searchsorted(keys[order], asked, "right") - start
        for rows in _chunks(counts):
            compared += int(counts[rows].sum())
            if compared > max_comparisons:
                return Nearest(index, distance, complete=False)
            _compare(hashes, first, order, start, counts, rows, current, index, distance)
    return Nearest(index, distance, complete=True)


def _chunks(counts: np.ndarray) -> list[np.ndarray]:
    """Positions with something to compare, cut so that each part makes about `CHUNK` comparisons."""
    some = np.flatnonzero(counts)
    parts = np.cumsum(counts[some]) // CHUNK
    return np.split(some, np.flatnonzero(np.diff(parts)) + 1) if len(some) else []


def _compare(
    hashes: np.ndarray,
    first: np.ndarray,
    order: np.ndarray,
    start: np.ndarray,
    counts: np.ndarray,
    rows: np.ndarray,
    current: np.ndarray,
    index: np.ndarray,
    distance: np.ndarray,
) -> None:
    """Compares each of `rows` with the hashes of its bucket, and keeps in `index` and `distance` what is
    nearer.
    """
    count = counts[rows]
    ends = np.cumsum(count)
    within = np.arange(ends[-1]) - np.repeat(ends - count, count)
    candidates = order[np.repeat(start[rows], count) + within]
    bits = np.bitwise_count(hashes[candidates] ^ np.repeat(current[rows], count)).astype(np.int64)
    smallest = np.minimum.reduceat(bits, ends - count)
    at = np.repeat(smallest, count) == bits
    owner, position = np.unique(np.repeat(np.arange(len(rows)), count)[at], return_index=True)
    nearer = smallest < distance[rows]
    distance[rows[nearer]] = smallest[nearer]
    index[rows[owner][nearer]] = first[candidates[at][position]][nearer]
