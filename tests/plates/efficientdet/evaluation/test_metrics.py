"""Hand-made cases with their value worked out, and pycocotools reading files as the second opinion."""

import contextlib
import io
import json

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from plates.columns import BOX
from plates.efficientdet.evaluation.metrics import evaluate, mask_iou
from plates.errors import UserError

PLATE = {1: "license_plate"}


def truth(*rows):
    return pd.DataFrame(rows, columns=["image_id", "subset", "class", *BOX])


def found(*rows):
    columns = ["image_id", "class", "score", *BOX]
    return pd.DataFrame(rows, columns=columns).astype({"image_id": "int64", "class": "int32", "score": "float32"})


def test_perfect_detections_score_one():
    gt = truth((1, "base", "license_plate", 10, 10, 60, 30), (2, "blur", "license_plate", 0, 0, 200, 100))
    metrics = evaluate(found((1, 1, 0.9, 10, 10, 60, 30), (2, 1, 0.8, 0, 0, 200, 100)), gt, PLATE).metrics
    assert (metrics.mAP, metrics.mAP50, metrics.mAP75) == pytest.approx((1, 1, 1))
    assert metrics.mAP_small == pytest.approx(1)  # 50 x 20 = 1000 < 32²
    assert metrics.mAP_medium is None
    assert metrics.mAP_large == pytest.approx(1)
    assert metrics.per_class == {"license_plate": pytest.approx(1)}


def test_iou_of_0_8_passes_seven_of_ten_thresholds():
    """Boxes 100 wide, 80 of them shared: IoU .8 passes .50 ... .80, so AP is 7 / 10."""
    metrics = evaluate(found((1, 1, 0.9, 0, 0, 80, 50)), truth((1, "a", "license_plate", 0, 0, 100, 50)), PLATE).metrics
    assert metrics.mAP == pytest.approx(0.7)
    assert (metrics.mAP50, metrics.mAP75) == pytest.approx((1, 1))


def test_image_without_detections_counts():
    """One of two plates found: precision 1 up to recall .5, which is 51 of COCO's 101 recall points."""
    gt = truth((1, "a", "license_plate", 0, 0, 50, 50), (2, "a", "license_plate", 0, 0, 50, 50))
    metrics = evaluate(found((1, 1, 0.9, 0, 0, 50, 50)), gt, PLATE).metrics
    assert metrics.mAP == pytest.approx(51 / 101)
    assert metrics.images == 2


def test_false_positive_on_a_negative_image_costs_precision():
    gt = truth((1, "a", "license_plate", 0, 0, 50, 50), (2, "np", None, np.nan, np.nan, np.nan, np.nan))
    ranked_first = found((2, 1, 0.95, 0, 0, 50, 50), (1, 1, 0.9, 0, 0, 50, 50))
    assert evaluate(ranked_first, gt, PLATE).metrics.mAP == pytest.approx(0.5)


def test_nothing_found_is_a_zero_but_nothing_to_find_is_an_error():
    assert evaluate(found(), truth((1, "a", "license_plate", 0, 0, 50, 50)), PLATE).metrics.mAP == 0
    with pytest.raises(UserError, match="none of the 1 images"):
        evaluate(found(), truth((1, "np", None, np.nan, np.nan, np.nan, np.nan)), PLATE)


def test_detections_of_other_data_and_unknown_classes_are_refused():
    gt = truth((1, "a", "license_plate", 0, 0, 50, 50))
    with pytest.raises(UserError, match="ground truth \\(such as 7\\)"):
        evaluate(found((7, 1, 0.5, 0, 0, 1, 1)), gt, PLATE)
    with pytest.raises(UserError, match="Classes 3"):
        evaluate(found((1, 3, 0.5, 0, 0, 1, 1)), gt, PLATE)


def test_only_the_best_detections_of_a_photograph_count():
    """The right one is the second best: not counted where one detection is."""
    gt = truth((1, "a", "license_plate", 0, 0, 50, 50))
    detections = found((1, 1, 0.8, 0, 0, 50, 50), (1, 1, 0.9, 200, 0, 250, 50))
    assert evaluate(detections, gt, PLATE, max_detections=1).metrics.mAP == 0
    two = evaluate(detections, gt, PLATE, max_detections=2).metrics
    assert (two.mAP, two.AR1, two.AR10) == pytest.approx((0.5, 0, 1))


def test_a_crowd_is_neither_found_nor_missed():
    """Two detections in the crowd do not count; without it they would be false, and precision a third."""
    gt = truth((1, "a", "license_plate", 0, 0, 50, 50), (1, "a", "license_plate", 100, 0, 300, 200))
    detections = found((1, 1, 0.9, 110, 10, 150, 50), (1, 1, 0.8, 200, 10, 240, 50), (1, 1, 0.7, 0, 0, 50, 50))
    assert evaluate(detections, gt.assign(iscrowd=[0, 1]), PLATE).metrics.mAP == pytest.approx(1)
    assert evaluate(detections, gt.iloc[:1], PLATE).metrics.mAP == pytest.approx(1 / 3)


def test_the_curve_says_which_score_gives_which_recall():
    gt = truth((1, "base", "license_plate", 0, 0, 50, 50), (2, "blur", "license_plate", 0, 0, 50, 50))
    curves = evaluate(found((1, 1, 0.9, 0, 0, 50, 50)), gt, PLATE).curves
    half = curves[(curves.iou == 0.5) & (curves.recall <= 0.5)]
    assert half.precision.to_numpy() == pytest.approx(1)
    assert half.score.to_numpy() == pytest.approx(0.9)


def test_agrees_with_pycocotools_reading_files(tmp_path):
    """Random boxes of two classes: the 12 figures that COCOeval prints, by its usual way from JSON files."""
    random = np.random.default_rng(3)
    sizes = np.array([12, 40, 60, 150])
    gt, dt = [], []
    for image in range(1, 21):
        for size in sizes:
            x, y = random.uniform(0, 400, 2)
            category = int(random.integers(1, 3))
            gt.append((image, "s", ("car", "plate")[category - 1], x, y, x + size, y + size))
            dx, dy = random.normal(0, size / 8, 2)
            dt.append((image, category, random.uniform(), x + dx, y + dy, x + dx + size, y + dy + size))
    label_map = {1: "car", 2: "plate"}
    ids = {"car": 1, "plate": 2}

    def corner_and_size(row):
        return [row[3], row[4], row[5] - row[3], row[6] - row[4]]

    annotations = [
        {
            "id": number,
            "image_id": row[0],
            "category_id": ids[row[2]],
            "iscrowd": 0,
            "bbox": corner_and_size(row),
            "area": (row[5] - row[3]) * (row[6] - row[4]),
        }
        for number, row in enumerate(gt, 1)
    ]
    categories = [{"id": key, "name": name} for key, name in label_map.items()]
    images = [{"id": image} for image in range(1, 21)]
    results = [{"image_id": row[0], "category_id": row[1], "score": row[2], "bbox": corner_and_size(row)} for row in dt]
    (tmp_path / "gt.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories, "info": {}})
    )
    (tmp_path / "dt.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "gt.json"))
        reference = COCOeval(coco, coco.loadRes(str(tmp_path / "dt.json")), "bbox")
        reference.evaluate()
        reference.accumulate()
        reference.summarize()
    ours = evaluate(found(*dt).astype({"score": "float64"}), truth(*gt), label_map).metrics
    expected = reference.stats[[0, 1, 2, 3, 4, 5, 8]]
    assert 0.1 < expected[0] < 0.9
    assert [
        ours.mAP, ours.mAP50, ours.mAP75, ours.mAP_small, ours.mAP_medium, ours.mAP_large, ours.AR
    ] == pytest.approx(list(expected), abs=1e-12)  # fmt: skip


def test_mask_iou_from_a_confusion_matrix():
    """Class 1: 3 hits, 1 missed, 2 false: 3 / 6; class 2 never occurs."""
    iou = mask_iou(np.array([[10, 2, 0], [1, 3, 0], [0, 0, 0]]))
    assert iou[:2] == pytest.approx([10 / 13, 0.5])
    assert np.isnan(iou[2])
