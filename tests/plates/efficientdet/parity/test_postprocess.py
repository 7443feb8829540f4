import numpy as np
import pytest

from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference import postprocess

TOP = {"max_nms_inputs": 5000}
VARIANTS = {
    "global_default": {},
    "global_topk5000": TOP,
    "global_hard_iou0.5_s0.3": {"method": "hard", "iou_thresh": 0.5, "score_thresh": 0.3},
    "global_gauss_s0.4_sigma0.3_out20": {"score_thresh": 0.4, "sigma": 0.3, "max_output_size": 20},
    "global_hard_s0.999": {"method": "hard", "score_thresh": 0.999},
    "per_class_default": {"per_class": True},
    "per_class_topk5000": {"per_class": True, **TOP},
    "per_class_hard_iou0.4_s0.3": {
        "per_class": True,
        "method": "hard",
        "iou_thresh": 0.4,
        "score_thresh": 0.3,
    },
}


def detect(published, scales, nms, reference=False):
    found = postprocess.detect(
        published.outputs, published.anchors, scales, published.image_size, NmsConfig(**nms), reference
    )
    return {name: value.numpy() for name, value in found.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_detections(published, variant):
    expected = published.arrays("postprocess")
    found = detect(published, expected["image_scales"], VARIANTS[variant], reference=True)
    assert found["valid_len"].tolist() == expected[f"{variant}/valid_len"].tolist()
    for image, count in enumerate(found["valid_len"]):
        for name, tolerance in {"boxes": 1e-3, "scores": 1e-5, "classes": 0}.items():
            theirs = expected[f"{variant}/{name}"][image, :count]
            assert np.abs(found[name][image, :count] - theirs).max(initial=0) <= tolerance, name


def test_the_reference_s_combined_nms_is_ours_by_class_with_every_class_of_an_anchor(published):
    expected = published.arrays("postprocess")
    scales = expected["image_scales"]
    found = detect(published, scales, {"per_class": True, "method": "hard", **TOP})
    for image in range(2):
        theirs = {name: expected[f"combined_hard/{name}"][image] for name in ("boxes", "scores", "classes")}
        assert found["scores"][image] == pytest.approx(theirs["scores"], abs=1e-5)
        ours = np.column_stack([found["classes"][image], found["boxes"][image]])
        rows = np.column_stack([theirs["classes"], theirs["boxes"]])
        assert np.sort(ours, axis=0) == pytest.approx(np.sort(rows, axis=0), abs=1e-3)


@pytest.mark.parametrize("per_class", [False, True])
def test_ours_stay_in_the_image_and_end_in_zeros(published, per_class):
    scales = np.array([1.25, 2.5], np.float32)
    nms = {"per_class": per_class, "method": "hard", "score_thresh": 0.6}
    ours, theirs = (detect(published, scales, nms, reference) for reference in (False, True))
    assert ours["valid_len"].tolist() == theirs["valid_len"].tolist()
    for image, count in enumerate(ours["valid_len"]):
        limit = published.image_size[0] * scales[image]
        clipped = np.clip(theirs["boxes"][image, :count], 0, limit)
        assert np.array_equal(ours["boxes"][image, :count], clipped)
        assert not any(ours[name][image, count:].any() for name in ("boxes", "scores", "classes"))
