import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import anchors
from plates.efficientdet.model.family import resolve
from plates.errors import UserError


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(64, 400), st.integers(64, 400)),
    st.integers(1, 3),
    st.lists(st.floats(0.2, 5), min_size=1, max_size=3),
    st.floats(1, 6),
)
def test_any_image_size_has_a_cell_for_each_stride_begun(image_size, num_scales, ratios, scale):
    found = anchors.per_level(image_size, range(3, 6), num_scales, ratios, scale)
    for level, boxes in found.items():
        rows, columns = (-(-side // 2**level) for side in image_size)
        assert boxes.shape == (rows * columns * num_scales * len(ratios), 4)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (centres > 0).all()
        assert (centres < image_size).all()
        height, width = (boxes[: num_scales * len(ratios), 2:] - boxes[: num_scales * len(ratios), :2]).T
        stride = image_size[1] / columns / (image_size[0] / rows)
        np.testing.assert_allclose(width / height, np.tile(ratios, num_scales) * stride, rtol=1e-3)


def test_an_anchor_by_hand():
    """Level 3 of 64 px: stride 8, the second cell's centre is (4, 12); ratio 4 at scale 2 is 32 wide and 8 high."""
    level = anchors.per_level((64, 64), [3], 1, [4.0], 2.0)[3]
    assert level[1].tolist() == [0, -4, 8, 28]


def test_generate_follows_the_spec():
    spec = resolve(ModelConfig(name="efficientdet-d0", image_size="384x256"), num_classes=1)
    found = anchors.generate(spec)
    expected = anchors.per_level((256, 384), range(3, 8), 3, [1.0, 2.0, 0.5], 4.0)
    assert np.array_equal(found, np.concatenate(list(expected.values())))
    assert [count * spec.num_anchors for count in anchors.cells(spec)] == [len(level) for level in expected.values()]


def test_scales_that_do_not_fit_the_levels():
    with pytest.raises(UserError, match=r"2 values for the 5 levels P3\.\.P7"):
        anchors.per_level((256, 256), range(3, 8), 3, [1.0], [3.0, 4.0])
