from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ccpd.duplicates import dhash, hash_images, nearest


def picture(path: Path, seed: int, quality: int = 90) -> Path:
    """A smooth random picture, as a JPEG."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    Image.fromarray(small).resize((720, 1160), Image.Resampling.BICUBIC).save(path, quality=quality)
    return path


def test_a_picture_saved_again_is_near_and_another_is_far(tmp_path):
    first, again, other = (
        dhash(picture(tmp_path / f"{number}.jpg", seed, quality))
        for number, (seed, quality) in enumerate([(0, 90), (0, 40), (1, 90)])
    )

    assert (first ^ again).bit_count() <= 3
    assert (first ^ other).bit_count() > 10


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


def test_hashes_are_kept_by_content_and_unreadable_files_left_out(tmp_path):
    picture(tmp_path / "a.jpg", 0)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    images = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "sha256": ["a" * 64, "b" * 64]})
    calls: list[tuple[int, int]] = []

    first = hash_images(images, tmp_path, tmp_path / "cache.parquet", progress=lambda *call: calls.append(call))
    (tmp_path / "a.jpg").unlink()
    second = hash_images(images, tmp_path, tmp_path / "cache.parquet")

    assert first["path"].tolist() == ["a.jpg"]
    pd.testing.assert_frame_equal(first, second)
    assert calls == [(2, 2)]


def test_a_limit_spreads_over_the_paths(tmp_path):
    for number in range(9):
        picture(tmp_path / f"{number}.jpg", number)
    images = pd.DataFrame({"path": [f"{number}.jpg" for number in range(9)], "sha256": [str(n) * 64 for n in range(9)]})

    assert hash_images(images, tmp_path, limit=3)["path"].tolist() == ["0.jpg", "4.jpg", "8.jpg"]
