import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.photographs.duplicates import nearest

HASHES = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30)


@settings(deadline=None)
@given(HASHES, HASHES, st.lists(st.tuples(st.integers(0, 29), st.integers(0, 63)), max_size=12), st.integers(0, 6))
def test_the_search_finds_what_comparing_all_finds(reference, current, flips, distance):
    near = [reference[row % len(reference)] ^ (1 << bit) for row, bit in flips]
    old, new = np.array(reference, np.uint64), np.array([*current, *near], np.uint64)

    found = nearest(old, new, distance)

    every = np.bitwise_count(old[None] ^ new[:, None]).astype(int)
    expected = np.where(every.min(1) <= distance, every.min(1), distance + 1)
    assert found.distance.tolist() == expected.tolist()
    hit = found.index >= 0
    assert (every[np.flatnonzero(hit), found.index[hit]] == expected[hit]).all()
    assert found.complete


def test_the_cap_is_said():
    same = np.zeros(100, np.uint64)

    assert not nearest(np.arange(50, dtype=np.uint64), same, 3, max_comparisons=10).complete
