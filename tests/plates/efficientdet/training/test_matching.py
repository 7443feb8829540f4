import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from plates.efficientdet.model import anchors
from plates.efficientdet.training import matching
from plates.efficientdet.training.matching import BACKGROUND, IGNORED

PER_LEVEL = anchors.per_level((64, 64), range(3, 5), 2, [1.0, 2.0], 2.0)
GRID = np.concatenate(list(PER_LEVEL.values()))
CELLS = [len(grid) // 4 for grid in PER_LEVEL.values()]
EITHER_WAY = pytest.mark.parametrize("cells", [None, CELLS], ids=["iou", "atss"])

corner = st.integers(0, 48)
side = st.integers(2, 40)
truth = st.tuples(corner, corner, side, side, st.sampled_from([1, 1, 2, -1, 0]))


def assign(boxes, classes, **options):
    boxes = np.array(boxes, np.float32).reshape(1, -1, 4)
    found = matching.assign(GRID, boxes, np.array([classes], np.int32), **options)
    return [ops.convert_to_numpy(values)[0] for values in found]


def plain_assignment(boxes, classes):
    """The same in loops: the reference's assignment, ours for ignored and untouched boxes."""
    inside = np.zeros(len(GRID), bool)
    overlap = np.zeros((len(boxes), len(GRID)), np.float32)
    for i, box in enumerate(np.array(boxes, np.float32)):
        low, high = np.maximum(GRID[:, :2], box[:2]), np.minimum(GRID[:, 2:], box[2:])
        inner = np.maximum(high - low, 0).prod(axis=1)
        areas = (GRID[:, 2:] - GRID[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
        overlap[i] = inner / (areas - inner) if classes[i] else -1
        inside |= (classes[i] < 0) & (inner >= 0.5 * (GRID[:, 2:] - GRID[:, :2]).prod(axis=1))
    owner = np.full(len(GRID), -1)
    for counts in (True, False):
        among = np.where((np.array(classes) > 0)[:, None] == counts, overlap, -1)
        owner = np.where((owner < 0) & (among.max(axis=0) >= 0.5), among.argmax(axis=0), owner)
    order = sorted(range(len(boxes)), key=lambda i: (classes[i] < 0, i))
    taken: set[int] = set()
    for i in order:
        best = int(overlap[i].argmax())
        counted = owner[best] >= 0 and classes[owner[best]] > 0
        if classes[i] and overlap[i, best] > 0 and best not in taken and (classes[i] > 0 or not counted):
            taken.add(best)
            owner[best] = i
    free = np.where(inside, IGNORED, BACKGROUND)
    return [free[at] if i < 0 else classes[i] - 1 if classes[i] > 0 else IGNORED for at, i in enumerate(owner)]


@settings(max_examples=60, deadline=None)
@given(st.lists(truth, min_size=6, max_size=6))
def test_as_in_plain_loops(rows):
    boxes = [(y, x, y + height, x + width) for y, x, height, width, _ in rows]
    classes = [row[4] for row in rows]
    found, deltas, num_positives = assign(boxes, classes)
    assert found.tolist() == plain_assignment(boxes, classes)
    assert num_positives == (found >= 0).sum()
    assert not deltas[found < 0].any()


def test_every_box_gets_an_anchor_unless_another_wants_the_same():
    tiny = [(10, 10, 12, 13), (40, 40, 42, 44)]
    assert assign(tiny, [1, 2])[0].tolist().count(0) == 1
    assert assign(tiny, [1, 2])[0].tolist().count(1) == 1
    same = assign([tiny[0], tiny[0]], [2, 1])
    assert [same[0].tolist().count(i) for i in (0, 1)] == [0, 1]


@EITHER_WAY
def test_padding_changes_nothing_whatever_it_holds(cells):
    alone = assign([(8, 8, 24, 30)], [1], cells=cells)
    padded = assign([(0, 0, 64, 64), (8, 8, 24, 30), (np.nan,) * 4], [0, 1, 0], cells=cells)
    for ours, theirs in zip(alone, padded, strict=True):
        assert np.array_equal(ours, theirs)


@EITHER_WAY
def test_an_ignored_box_is_neither_positive_nor_background(cells):
    box = (8, 8, 24, 30)
    classes, deltas, num_positives = assign([box], [-1], cells=cells)
    matched = assign([box], [1], cells=cells)[0] >= 0
    assert (classes[matched] == IGNORED).all()
    assert (classes[~matched & (share_in(box) < 0.5)] == BACKGROUND).all()
    assert num_positives == 0
    assert not deltas.any()


def share_in(box):
    """Of each anchor's area, in a box."""
    low, high = np.maximum(GRID[:, :2], box[:2]), np.minimum(GRID[:, 2:], box[2:])
    return np.maximum(high - low, 0).prod(axis=1) / (GRID[:, 2:] - GRID[:, :2]).prod(axis=1)


@EITHER_WAY
def test_all_that_lies_in_an_ignored_region_is_ignored_except_for_what_counts_there(cells):
    region, box = (0, 0, 64, 40), (8, 8, 24, 30)
    alone = assign([box], [1], cells=cells)[0]
    classes, _, num_positives = assign([region, box], [-1, 1], cells=cells)
    free = alone < 0
    assert num_positives == (alone >= 0).sum() > 0
    assert np.array_equal(classes[~free], alone[~free])
    assert (classes[free & (share_in(region) >= 0.5)] == IGNORED).all()
    assert (classes[free & (share_in(region) < 0.3)] == BACKGROUND).any()


def test_a_box_to_be_ignored_does_not_force_its_best_anchor_from_one_that_counts():
    grid = np.array([[0, 0, 10, 10], [0, 2, 10, 12], [0, 40, 10, 50]], np.float32)
    boxes = np.array([[[0, 0.5, 10, 10.5], [0, 11, 10, 30]]], np.float32)
    found = matching.assign(grid, boxes, np.array([[1, -1]], np.int32))
    assert ops.convert_to_numpy(found.classes)[0].tolist() == [0, 0, BACKGROUND]


@EITHER_WAY
def test_an_ignored_box_takes_no_best_anchor_from_one_that_counts(cells):
    tiny = (10, 10, 12, 13)
    classes, _, num_positives = assign([tiny, tiny], [-1, 1], cells=cells)
    assert num_positives == 1
    assert (classes == IGNORED).sum() == 0


@EITHER_WAY
def test_an_ignored_box_takes_no_anchor_at_all_from_one_that_counts(cells):
    box, outline = (8, 8, 24, 30), (7, 7, 25, 31)
    alone = assign([box], [1], cells=cells)[0] >= 0
    beside = assign([box, outline], [1, -1], cells=cells)[0] >= 0
    assert alone.sum() > 1
    assert (alone <= beside).all()


def test_a_box_outside_takes_nothing_or_anchor_0_as_in_the_reference():
    outside = [(500, 500, 510, 510)]
    assert assign(outside, [1])[2] == 0
    classes, deltas, _ = assign(outside, [1], reference=True)
    assert np.flatnonzero(classes >= 0).tolist() == [0]
    assert deltas[0, 0] > 10


def test_images_of_a_batch_do_not_touch_each_other():
    random = np.random.default_rng(0)
    low = random.uniform(0, 40, (5, 3, 2))
    boxes = np.concatenate([low, low + random.uniform(4, 30, (5, 3, 2))], axis=-1).astype(np.float32)
    classes = random.integers(0, 3, (5, 3)).astype(np.int32)
    together = [ops.convert_to_numpy(values) for values in matching.assign(GRID, boxes, classes)]
    for i in range(5):
        for ours, alone in zip(together, assign(boxes[i], classes[i]), strict=True):
            assert np.array_equal(ours[i], alone)
