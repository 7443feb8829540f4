import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from keras.utils import bounding_boxes

from plates.efficientdet.model import boxes

coordinate = st.floats(-100, 600, width=32)
side = st.floats(1, 400, width=32)
box = st.tuples(coordinate, coordinate, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
some = st.lists(box, min_size=1, max_size=5).map(lambda b: np.array(b, np.float32))


def number(tensor):
    return ops.convert_to_numpy(tensor)


@given(some, box)
def test_deltas_lead_back_to_the_boxes_and_agree_with_keras(found, anchor):
    anchors = np.array([anchor] * len(found), np.float32)
    deltas = boxes.yxyx_to_deltas(found, anchors)
    size = max(np.abs(found).max(), np.abs(anchors).max())
    assert np.abs(number(boxes.deltas_to_yxyx(deltas, anchors)) - found).max() < 1e-5 * size + 1e-3
    theirs = bounding_boxes.encode_box_to_deltas(anchors, found, "yxyx", "yxyx")
    np.testing.assert_allclose(number(deltas), number(theirs), rtol=1e-4, atol=1e-4)


@given(st.lists(st.tuples(*[coordinate] * 8), min_size=1, max_size=5), box)
def test_offsets_lead_back_to_the_corners_whatever_their_shape(points, anchor):
    corners, anchors = np.array(points, np.float32).reshape(-1, 4, 2), np.array([anchor] * len(points), np.float32)
    offsets = boxes.corners_to_deltas(corners, anchors)
    assert offsets.shape == (len(points), 8)
    size = max(np.abs(corners).max(), np.abs(anchors).max())
    assert np.abs(number(boxes.deltas_to_corners(offsets, anchors)) - corners).max() < 1e-5 * size + 1e-3


def test_corners_of_an_anchor_are_half_a_side_from_its_centre():
    anchor = np.array([[10, 20, 30, 60]], np.float32)
    corners = np.array([[[30, 60], [30, 20], [10, 20], [10, 60]]], np.float32)
    assert number(boxes.corners_to_deltas(corners, anchor)).tolist() == [[0.5, 0.5, 0.5, -0.5, -0.5, -0.5, -0.5, 0.5]]


@given(some)
def test_clipping_only_removes(found):
    clipped = number(boxes.clip(found, (300, 500)))
    assert (clipped >= 0).all()
    assert (clipped <= [300, 500, 300, 500]).all()
    assert (number(boxes.area(clipped)) <= number(boxes.area(found)) + 1e-3).all()
    assert np.array_equal(number(boxes.clip(clipped, (300, 500))), clipped)


@given(some, some)
def test_iou_is_symmetric_and_1_only_for_the_box_itself(first, second):
    table = number(boxes.iou(first, second))
    assert table.shape == (len(first), len(second))
    np.testing.assert_allclose(table, number(boxes.iou(second, first)).T, atol=1e-5)
    np.testing.assert_allclose(np.diag(number(boxes.iou(first, first))), 1, atol=1e-5)
    assert ((table >= 0) & (table <= 1 + 1e-5)).all()


def test_iou_by_hand():
    first, second = np.array([[0, 0, 10, 10]], np.float32), np.array([[0, 5, 10, 15], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(number(boxes.iou(first, second)), [[50 / 150, 0]], rtol=1e-6)


def test_a_box_turned_inside_out_has_no_area():
    assert number(boxes.area(np.array([[10, 10, 0, 20], [0, 0, 2, 3]], np.float32))).tolist() == [0, 6]
