import numpy as np
import pytest

from plates.efficientdet.model import anchors


def test_the_defaults_are_exact(published):
    found = anchors.per_level(published.image_size, range(3, 8), 3, [1.0, 2.0, 0.5], 4.0)
    assert np.array_equal(np.concatenate(list(found.values())), published.anchors)
    cells = [tuple(size) for size in published.arrays("anchors")["feat_sizes"][3:]]
    assert [len(level) for level in found.values()] == [rows * columns * 9 for rows, columns in cells]


@pytest.mark.parametrize(
    ("name", "image_size", "num_scales", "aspect_ratios", "anchor_scale"),
    [
        ("perlevelscale_256x384", (256, 384), 3, [1.0, 2.0, 0.5], [3, 4, 4, 5, 4]),
        ("pairs_2scales_250x390", (250, 390), 2, [[1, 1], [1.4, 0.7], [2.2, 0.45]], 2.5),
    ],
)
def test_other_sizes_scales_and_ratios_are_exact(
    published_256, name, image_size, num_scales, aspect_ratios, anchor_scale
):
    found = anchors.per_level(image_size, range(3, 8), num_scales, aspect_ratios, anchor_scale)
    expected = published_256.arrays("anchors_other")[name]
    assert np.array_equal(np.concatenate(list(found.values())), expected)
