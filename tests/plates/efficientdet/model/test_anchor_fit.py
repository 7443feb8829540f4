from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.efficientdet.config import ModelConfig
from plates.efficientdet.model import anchor_fit, anchors
from plates.efficientdet.model.family import resolve
from plates.errors import UserError
from plates.files import write_json

SPEC = resolve(ModelConfig(image_size="192x128", min_level=3, max_level=5, aspect_ratios=[1.0]), num_classes=1)


def plates(count, ratios=(1.8, 3.5), area=(300, 4000), seed=0):
    random = np.random.default_rng(seed)
    ratio = random.choice(ratios, count) * np.exp(random.normal(0, 0.03, count))
    areas = np.exp(random.uniform(*np.log(area), count))
    return np.stack([np.sqrt(areas * ratio), np.sqrt(areas / ratio)], axis=1)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 1000),
    st.tuples(st.integers(70, 200), st.integers(70, 200)),
    st.integers(1, 2),
    st.lists(st.floats(0.5, 4), min_size=1, max_size=2),
    st.floats(1, 4),
)
def test_reach_is_that_of_the_whole_grid(seed, image_size, num_scales, ratios, scale):
    random = np.random.default_rng(seed)
    sizes = random.uniform(5, 90, (12, 2))
    centres = random.uniform(0, 1, (12, 2)) * image_size[::-1]
    spec = replace(SPEC, image_size=image_size).with_anchors(num_scales, ratios, scale)
    grid = anchors.generate(spec)
    low, high = centres - sizes / 2, centres + sizes / 2
    sides = np.minimum(high[:, None], grid[:, [3, 2]]) - np.maximum(low[:, None], grid[:, [1, 0]])
    overlap = np.maximum(sides, 0).prod(axis=2)
    iou = overlap / (sizes.prod(axis=1)[:, None] + (grid[:, 2:] - grid[:, :2]).prod(axis=1) - overlap)
    found = anchor_fit.reach(sizes, centres, spec)
    assert found.mean_iou == pytest.approx(iou.max(axis=1).mean(), rel=1e-5)
    assert found.recall == pytest.approx((iou.max(axis=1) >= 0.5).mean())
    positives = anchor_fit.positives_per_box(sizes, centres, spec)
    assert positives == pytest.approx((iou >= 0.5).sum() / 12)


def test_kmeans_finds_the_shapes_that_are_there():
    assert anchor_fit.fit_ratios(plates(2000), 2) == pytest.approx([1.8, 3.5], rel=0.02)
    assert anchor_fit.fit_ratios(plates(2000), 1)[0] == pytest.approx(2.5, rel=0.4)


def test_fitted_anchors_reach_more_boxes_than_the_published_ones():
    boxes = plates(5000)
    found = anchor_fit.fit(boxes, SPEC)
    centres = anchor_fit._places(boxes, SPEC.image_size, np.random.default_rng(1))
    published = anchor_fit.reach(boxes, centres, SPEC.with_anchors(3, [1.0, 2.0, 0.5], 4.0))
    assert found.best_possible_recall > 0.98
    assert published.recall < found.best_possible_recall
    assert found.mean_best_iou > published.mean_iou
    assert found.anchors_per_cell <= 9
    assert found.positives_per_box > 1
    best = max(entry["recall"] for entry in found.tried)
    fewer = [e for e in found.tried if len(e["ratios"]) * e["num_scales"] < found.anchors_per_cell]
    chosen = next(e for e in found.tried if e["ratios"] == found.aspect_ratios and e["num_scales"] == found.num_scales)
    assert chosen["recall"] >= best - 0.005
    most = max(entry["mean_iou"] for entry in found.tried)
    assert all(e["recall"] < best - 0.005 or e["mean_iou"] < most - 0.03 for e in fewer)


def test_small_boxes_between_cells_are_not_counted_as_reached():
    """8 x 8 px at a stride of 8: an equal anchor is up to 4 px away in both directions, an IoU of 1/7."""
    boxes = np.full((4000, 2), 8.0)
    found = anchor_fit.fit(boxes, SPEC, num_scales=1, anchor_scale=1.0, max_ratios=1)
    assert found.aspect_ratios == [1.0]
    assert 0.2 < found.best_possible_recall < 0.7
    at_cells = np.tile([[12.0, 12.0]], (4000, 1))
    exact = anchor_fit.fit(boxes, SPEC, num_scales=1, anchor_scale=1.0, max_ratios=1, centres=at_cells)
    assert exact.best_possible_recall == 1
    assert exact.mean_best_iou == pytest.approx(1)


def test_what_is_held_stays_and_the_result_is_the_same_again(tmp_path):
    boxes = plates(30_000)
    found = anchor_fit.fit(boxes, SPEC, num_scales=2, anchor_scale=[2.0, 2.5, 3.0], seed=3)
    assert (found.num_scales, found.anchor_scale) == (2, [2.0, 2.5, 3.0])
    assert (found.boxes, found.sampled, found.seed) == (30_000, 20_000, 3)
    again = anchor_fit.fit(boxes, SPEC, num_scales=2, anchor_scale=[2.0, 2.5, 3.0], seed=3)
    assert found == again
    write_json(tmp_path / "anchors.json", found.to_json())


def test_no_boxes_or_empty_ones_are_an_error():
    with pytest.raises(UserError, match="0 of 0 have none"):
        anchor_fit.fit(np.zeros((0, 2)), SPEC)
    with pytest.raises(UserError, match="1 of 2 have none"):
        anchor_fit.fit(np.array([[3.0, 4.0], [0.0, 2.0]]), SPEC)


def test_the_picture(tmp_path):
    boxes = plates(500)
    anchor_fit.plot(anchor_fit.fit(boxes, SPEC, max_ratios=2), boxes, tmp_path / "anchors.png")
    assert (tmp_path / "anchors.png").read_bytes()[:4] == b"\x89PNG"
