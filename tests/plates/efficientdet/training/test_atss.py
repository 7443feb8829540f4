import numpy as np
import toy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import ops

from plates.efficientdet.model import anchors
from plates.efficientdet.training import matching
from plates.efficientdet.training.build import build
from plates.efficientdet.training.data import from_batches
from plates.efficientdet.training.matching import BACKGROUND, IGNORED

SIDE, LEVELS = 96, range(3, 6)
PER_LEVEL = anchors.per_level((SIDE, SIDE), LEVELS, 2, [1.0, 2.0], 2.0)
GRID = np.concatenate(list(PER_LEVEL.values()))
CELLS = [len(grid) // 4 for grid in PER_LEVEL.values()]

corner = st.integers(0, 80)
side = st.integers(2, 60)
truth = st.tuples(corner, corner, side, side, st.sampled_from([1, 1, 2, -1, 0]))


def assign(boxes, classes, grid=GRID, cells=CELLS):
    boxes = np.array(boxes, np.float32).reshape(1, -1, 4)
    found = matching.assign(grid, boxes, np.array([classes], np.int32), cells=cells)
    return [ops.convert_to_numpy(values)[0] for values in found]


def iou_with_all(box):
    low, high = np.maximum(GRID[:, :2], box[:2]), np.minimum(GRID[:, 2:], box[2:])
    inner = np.maximum(high - low, 0).prod(axis=1)
    return inner / ((GRID[:, 2:] - GRID[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - inner)


def plain_choice(box):
    """Candidates of one box with their IoU, its positives, and the anchor that suits it best: algorithm 1 in loops."""
    centre, candidates, start = (box[:2] + box[2:]) / 2, [], 0
    for grid in PER_LEVEL.values():
        cells = [((grid[i, :2] + grid[i, 2:]) / 2, start + i) for i in range(0, len(grid), 4)]
        nearest = sorted(cells, key=lambda cell: (((cell[0] - centre) ** 2).sum(), cell[1]))[:9]
        candidates += [first + k for _, first in nearest for k in range(4)]
        start += len(grid)
    iou = iou_with_all(box)[candidates]
    threshold = iou.mean() + iou.std()
    assume(np.abs(iou - threshold).min() > 1e-5)
    middle = (GRID[candidates, :2] + GRID[candidates, 2:]) / 2
    inside = ((middle > box[:2]) & (middle < box[2:])).all(axis=1)
    suits = int((iou + inside.astype(np.float32)).argmax())
    positives = {
        a for a, overlap, within in zip(candidates, iou, inside, strict=True) if within and overlap > threshold
    }
    return positives, candidates[suits], iou[suits]


def plain_assignment(boxes, classes):
    owner, highest = np.full(len(GRID), -1), np.full(len(GRID), -1.0, np.float32)
    choices = {i: plain_choice(boxes[i]) for i in range(len(boxes)) if classes[i]}
    for i in sorted(choices, key=lambda i: (classes[i] < 0, i)):
        overlap = iou_with_all(boxes[i])
        for anchor in choices[i][0]:
            if owner[anchor] < 0 or (classes[i] > 0 and overlap[anchor] > highest[anchor]):
                owner[anchor], highest[anchor] = i, overlap[anchor]
    taken: set[int] = set()
    for i in sorted(choices, key=lambda i: (classes[i] < 0, i)):
        _, best, overlap = choices[i]
        counted = owner[best] >= 0 and classes[owner[best]] > 0
        if overlap > 0 and best not in taken and (classes[i] > 0 or not counted):
            taken.add(best)
            owner[best] = i
    free = np.full(len(GRID), BACKGROUND)
    for box in (boxes[i] for i in choices if classes[i] < 0):
        low, high = np.maximum(GRID[:, :2], box[:2]), np.minimum(GRID[:, 2:], box[2:])
        inner, area = np.maximum(high - low, 0).prod(axis=1), (GRID[:, 2:] - GRID[:, :2]).prod(axis=1)
        assume(np.abs(inner - matching.IN_REGION * area).min() > 1e-3)
        free[inner > matching.IN_REGION * area] = IGNORED
    return [free[at] if i < 0 else classes[i] - 1 if classes[i] > 0 else IGNORED for at, i in enumerate(owner)]


@settings(max_examples=60, deadline=None)
@given(st.lists(truth, min_size=4, max_size=4))
def test_as_in_plain_loops(rows):
    boxes = np.array([(y, x, y + height, x + width) for y, x, height, width, _ in rows], np.float32)
    classes = [row[4] for row in rows]
    expected = plain_assignment(boxes, classes)
    found, deltas, num_positives = assign(boxes, classes)
    assert found.tolist() == expected
    assert num_positives == (found >= 0).sum()
    assert not deltas[found < 0].any()


def test_a_case_by_hand():
    """One level of ten cells in a row, one square anchor of 4 each, a box of 4 x 8 around the cells 4 and 5.

    Candidates are the nine nearest: not cell 9 (cell 0 is as far, and comes first). Cells 4 and 5 lie in the box with
    an IoU of 16 / 32, the others outside: mean 1 / 9, deviation sqrt(14) / 18, threshold 0.319.
    """
    centres = 4 * np.arange(10) + 2
    grid = np.stack([0 * centres, centres - 2, 0 * centres + 4, centres + 2], axis=1).astype(np.float32)
    classes, deltas, num_positives = assign([(0, 16, 4, 24)], [1], grid, [10])
    assert np.flatnonzero(classes == 0).tolist() == [4, 5]
    assert num_positives == 2
    np.testing.assert_allclose(deltas[[4, 5]], [[0, 0.5, 0, np.log(2)], [0, -0.5, 0, np.log(2)]], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, SIDE), st.floats(0, SIDE), st.floats(0.5, 90), st.floats(0.5, 90))
def test_every_box_with_its_centre_in_the_picture_gets_an_anchor(y, x, height, width):
    box = (y - height / 2, x - width / 2, y + height / 2, x + width / 2)
    classes, _, num_positives = assign([box, box], [1, 0])
    assert num_positives >= 1
    assert set(classes) <= {0, BACKGROUND}


def test_a_box_outside_takes_nothing():
    assert assign([(500, 500, 510, 510)], [1])[2] == 0


def test_images_of_a_batch_do_not_touch_each_other():
    random = np.random.default_rng(0)
    low = random.uniform(0, 60, (5, 3, 2))
    boxes = np.concatenate([low, low + random.uniform(4, 40, (5, 3, 2))], axis=-1).astype(np.float32)
    classes = random.integers(0, 3, (5, 3)).astype(np.int32)
    together = [ops.convert_to_numpy(values) for values in matching.assign(GRID, boxes, classes, cells=CELLS)]
    for i in range(5):
        for ours, alone in zip(together, assign(boxes[i], classes[i]), strict=True):
            assert np.array_equal(ours[i], alone)


def test_it_trains():
    made = toy.batches(1)
    config = toy.train_config(assignment="atss", quality_loss="vfl", iou_loss_type="ciou")
    detector = build(toy.spec(), config, from_batches(made), 3)
    losses = [float(detector.train_on_batch(*made[0], return_dict=True)["loss"]) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert np.isfinite(detector.gradient_norm)
    assert len(set(losses)) == 3
    assert float(detector.means["positives"].result()) >= 1
