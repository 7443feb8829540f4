"""Our figures against COCO's own scorer and against hotcoco, to the last digit: ties, crowds, classes, many boxes."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.columns import BOX
from plates.efficientdet.evaluation import scorers
from plates.efficientdet.evaluation.metrics import evaluate
from plates.errors import UserError

LABELS = {1: "car", 2: "plate", 7: "never"}
TRUTH = ["image_id", "class", "iscrowd", *BOX]
FOUND = ["image_id", "class", "score", *BOX]

image, number = st.integers(1, 4), st.sampled_from([1, 2])
# Sides on both ends of COCO's sizes, 32² and 96², and corners close enough to overlap in many ways.
side = st.sampled_from([30, 32, 33, 40, 48, 90, 96, 97, 120])
box = st.tuples(st.integers(0, 20), st.integers(0, 20), side, side).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)


@st.composite
def scenes(draw):
    boxes = draw(st.lists(st.tuples(image, number, st.sampled_from([0, 0, 0, 1]), box), min_size=1, max_size=14))
    found = draw(st.lists(st.tuples(image, number, st.sampled_from([0.1, 0.3, 0.3, 0.5, 0.9]), box), max_size=30))
    truth = pd.DataFrame([(i, LABELS[c], crowd, *b) for i, c, crowd, b in boxes], columns=TRUTH)
    without = pd.DataFrame({"image_id": sorted({1, 2, 3, 4} - set(truth["image_id"]))})
    detections = pd.DataFrame([(i, c, s, *b) for i, c, s, b in found], columns=FOUND)
    detections = detections.astype({"image_id": "int64", "class": "int32", "score": "float32"})
    return detections, pd.concat([truth, without], ignore_index=True)


@settings(max_examples=150, deadline=None)
@given(scenes(), st.sampled_from([1, 3, 10, 100]))
def test_every_figure_is_that_of_pycocotools_and_hotcoco(scene, max_detections):
    detections, truth = scene
    judged = scorers.figures(scorers.pycocotools(detections, truth, LABELS, max_detections))
    assert scorers.figures(scorers.hotcoco(detections, truth, LABELS, max_detections)) == judged
    if judged["mAP"] is None:
        with pytest.raises(UserError, match="none of the 4 images"):
            evaluate(detections, truth, LABELS, max_detections)
    else:
        ours = evaluate(detections, truth, LABELS, max_detections).metrics.to_dict()
        assert {name: ours[name] for name in judged} == judged
