"""Photographs that look alike: a search for near ones among 64-bit perceptual hashes (`plates.photographs.decode`).

Hashes within `d` bits of each other agree in at least one of `d + 1` bands (pigeonhole), so only photographs that
share a band are compared.
"""

import itertools
from dataclasses import dataclass

import numpy as np

CHUNK = 4_000_000
"""Candidate pairs compared at a time: about 100 MB."""


@dataclass(frozen=True)
class Nearest:
    """The nearest known hash of each hash asked about.

    Attributes:
        index: its position; -1: none is near.
        distance: in bits.
        complete: false if the cap on comparisons was reached: there may be more.
    """

    index: np.ndarray
    distance: np.ndarray
    complete: bool


def nearest(
    known: np.ndarray, asked: np.ndarray, max_distance: int = 3, max_comparisons: int = 2_000_000_000
) -> Nearest:
    """For each of `asked` (uint64 [M]) its nearest of `known` (uint64 [N]) within `max_distance` bits."""
    hashes, first = np.unique(known, return_index=True)
    index = np.full(len(asked), -1, np.int64)
    distance = np.full(len(asked), max_distance + 1, np.int64)
    bands = max_distance + 1
    edges = [64 * band // bands for band in range(bands + 1)]
    compared = 0
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        keys = (hashes >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        bits = (asked >> np.uint64(low)) & mask
        start = np.searchsorted(keys[order], bits, "left")
        counts = np.searchsorted(keys[order], bits, "right") - start
        for rows in _chunks(counts):
            compared += int(counts[rows].sum())
            if compared > max_comparisons:
                return Nearest(index, distance, complete=False)
            _compare(hashes, first, order, start, counts, rows, asked, index, distance)
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
    asked: np.ndarray,
    index: np.ndarray,
    distance: np.ndarray,
) -> None:
    """Compares each of `rows` with the hashes of its bucket, and keeps what is nearer in `index` and `distance`."""
    count = counts[rows]
    ends = np.cumsum(count)
    within = np.arange(ends[-1]) - np.repeat(ends - count, count)
    candidates = order[np.repeat(start[rows], count) + within]
    bits = np.bitwise_count(hashes[candidates] ^ np.repeat(asked[rows], count)).astype(np.int64)
    smallest = np.minimum.reduceat(bits, ends - count)
    at = np.repeat(smallest, count) == bits
    owner, position = np.unique(np.repeat(np.arange(len(rows)), count)[at], return_index=True)
    nearer = smallest < distance[rows]
    distance[rows[nearer]] = smallest[nearer]
    index[rows[owner][nearer]] = first[candidates[at][position]][nearer]
