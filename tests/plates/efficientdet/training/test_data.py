"""Records as a run learns from them, and masks scored over a split."""

import numpy as np
import pytest
import toy

from plates.columns import CORNERS, SPLITS
from plates.efficientdet.checkpoints.saved_detector import SavedDetector
from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data.augment import box_corners
from plates.efficientdet.data.samples import pictures
from plates.efficientdet.data.tfrecords import write
from plates.efficientdet.inference.predictor import mask_iou
from plates.efficientdet.training.data import from_tfrecords
from plates.errors import UserError
from plates.photographs.content import Photographs

PLAIN = AugmentConfig(input_rand_hflip=False, jitter_min=1, jitter_max=1, crop_height=1)
MASKS = {"image_size": "96x160", "heads": ["segmentation"]}


@pytest.fixture
def folder(photographs, tmp_path):
    """21 photographs in turn for train, val and test, every seventh without a plate."""
    root, boxes, splits = photographs(21, SPLITS)
    write(boxes, splits, {1: "plate"}, Photographs(root), tmp_path / "examples", workers=1)
    return tmp_path / "examples"


def test_a_run_knows_its_records(folder):
    data = from_tfrecords(folder, toy.spec(**MASKS), toy.train_config(batch_size=4), PLAIN, max_validation_images=5)
    assert (data.images, data.label_map, data.class_counts) == (7, {1: "plate"}, (6,))
    assert sum(len(images) for images, _ in data.validation) == 7  # whole batches: 5 images take two of four
    images, targets = next(iter(data.training(0)))
    assert images.shape == (4, 160, 96, 3)
    assert targets["mask"].shape == (4, 40, 24)
    other = from_tfrecords(folder, toy.spec(**MASKS), toy.train_config(batch_size=4), AugmentConfig())
    assert data.fingerprint != other.fingerprint


def test_training_pictures_are_crops_and_validation_is_whole(folder):
    data = from_tfrecords(folder, toy.spec(**MASKS), toy.train_config(batch_size=4), AugmentConfig(crop_height=0.35))
    images, targets = next(iter(data.training(0)))
    assert data.size == (64, 96)
    assert images.shape == (4, 64, 96, 3)
    assert targets["mask"].shape == (4, 16, 24)
    assert {images.shape[1:] for images, _ in data.validation} == {(160, 96, 3)}


@pytest.mark.parametrize("level", [2, 3])
def test_the_mask_is_as_fine_as_the_head(folder, level):
    spec = toy.spec(**MASKS | {"min_level": level, "anchor_scale": None})
    data = from_tfrecords(folder, spec, toy.train_config(batch_size=4), PLAIN)
    _, targets = next(iter(data.training(0)))
    stride = 2 ** (level - 1)
    assert pictures(spec).mask_stride == spec.mask_stride == stride
    assert targets["mask"].shape == (4, 160 // stride, 96 // stride)
    assert tuple(2 * side for side in spec.feature_size(level)) == (160 // stride, 96 // stride)


def test_masks_without_a_class_for_each_are_refused(folder, photographs, tmp_path):
    root, boxes, splits = photographs(8, ("train",), name="two")
    boxes["class"] = boxes["class"].mask(boxes["class"].notna(), ["a", "b"] * 4)
    write(boxes, splits, {1: "a", 2: "b"}, Photographs(root), tmp_path / "two", workers=1)
    with pytest.raises(UserError, match=r"set model\.num_classes: 2"):
        from_tfrecords(tmp_path / "two", toy.spec(), toy.train_config(batch_size=4), PLAIN)
    two = toy.spec(**MASKS | {"num_classes": 2})
    with pytest.raises(UserError, match=r"set model\.seg_num_classes: 3"):
        from_tfrecords(tmp_path / "two", two, toy.train_config(batch_size=4), PLAIN)


def test_corners_keep_their_order_when_a_picture_is_mirrored(folder):
    """The plates here are upright, so their corners are those of their boxes, in the same order."""
    spec = toy.spec(image_size="96x160", heads=["object_detection", "corners"])
    for flips in (True, False):
        plain = PLAIN.model_copy(update={"input_rand_hflip": flips})
        data = from_tfrecords(folder, spec, toy.train_config(batch_size=7), plain)
        lefts = set()
        for _, targets in data.training(0).take(4):
            real = targets["gt_classes"].numpy() > 0
            boxes, corners = targets["gt_boxes"].numpy()[real], targets["gt_corners"].numpy()[real]
            np.testing.assert_allclose(corners, box_corners(boxes), atol=1e-3)
            lefts |= set(boxes[:, 1].round(2).tolist())
        assert (len(lefts) > 6) == flips  # six plates, in four epochs


def test_examples_without_corners_say_so(photographs, tmp_path):
    root, boxes, splits = photographs(6, ("train",))
    boxes.loc[boxes.index < 3, CORNERS] = np.nan
    write(boxes, splits, {1: "plate"}, Photographs(root), tmp_path / "examples", workers=1)
    spec = toy.spec(image_size="96x160", heads=["object_detection", "corners"])
    data = from_tfrecords(tmp_path / "examples", spec, toy.train_config(batch_size=6), PLAIN)
    _, targets = next(iter(data.training(0)))
    known = np.isfinite(targets["gt_corners"].numpy()).all(axis=(1, 2, 3))
    assert {int(i): bool(k) for i, k in zip(targets["image_id"], known, strict=True)} == {i: i > 3 for i in range(1, 7)}


class Painter:
    """Says "plate" where the picture is red, or everywhere."""

    def __init__(self, everywhere: bool) -> None:
        self.everywhere = everywhere

    def predict_on_batch(self, images):
        cells = np.asarray(images)[:, 2::4, 2::4].astype(int)
        plate = (cells[..., 0] - cells[..., 1] > 60) | self.everywhere
        return {"segmentation": np.stack([~plate, plate], axis=-1).astype(np.float32)}


def test_masks_are_scored_by_class(folder):
    spec = toy.spec(**MASKS)
    right, all_plate = (
        mask_iou(SavedDetector(Painter(everywhere), spec, {1: "plate"}, {}), folder, "test")
        for everywhere in (False, True)
    )
    assert right.keys() == {"background", "plate"}
    assert min(right.values()) > 0.9
    assert all_plate["background"] == 0
    assert 0 < all_plate["plate"] < 0.3
