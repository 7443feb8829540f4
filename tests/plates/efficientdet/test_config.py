"""The knobs: image sizes, refused values, the reference's own spelling, and a description for each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plates.efficientdet import config
from plates.efficientdet.config import (
    AugmentConfig,
    ExportConfig,
    ModelConfig,
    NmsConfig,
    TrainConfig,
    image_size_advice,
    parse_image_size,
)

SECTIONS = [ModelConfig, TrainConfig, AugmentConfig, NmsConfig, ExportConfig]
sides = st.integers(64, 4096)


@given(sides, sides, st.sampled_from("x×X"))
def test_image_size_is_width_first(width, height, sign):
    assert parse_image_size(f"{width}{sign}{height}") == (height, width)
    assert parse_image_size(width) == parse_image_size(str(width)) == (width, width)


@pytest.mark.parametrize("value", ["640x", "x", "6.4x3", [640, 320], True, 63, "640x32", -640, ""])
def test_other_sizes_are_refused(value):
    with pytest.raises(ValueError, match="image_size"):
        parse_image_size(value)


@given(sides, sides)
def test_advice_is_given_exactly_off_the_grid_of_16(height, width):
    advice = image_size_advice(height, width, 7)
    assert (advice is None) == (height % 16 == 0 and width % 16 == 0)
    assert advice is None or f"{width} x {height}" in advice


@pytest.mark.parametrize("section", SECTIONS)
def test_every_knob_is_described_and_its_default_valid(section):
    section()
    for name, field in section.model_fields.items():
        assert len(field.description or "") > 15, name


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (ModelConfig, {"image_sise": 640}, "image_sise"),
        (ModelConfig, {"image_size": "32x32"}, "too small"),
        (ModelConfig, {"label_map": {1: "a", 3: "b"}}, r"it misses \[2\]"),
        (ModelConfig, {"label_map": {0: "a", 1: "b"}}, r"\[0\] are outside"),
        (ModelConfig, {"label_map": {1: "a", 2: "b"}, "num_classes": 1}, r"\[2\] are outside"),
        (ModelConfig, {"aspect_ratios": [1.0, 0.0]}, "over 0"),
        (ModelConfig, {"mean_rgb": [1.0, 2.0]}, "one number or three"),
        (ModelConfig, {"heads": []}, "heads"),
        (ModelConfig, {"heads": ["corners"]}, "needs object_detection beside corners"),
        (ModelConfig, {"pretrained_sha256": "abc"}, "64 hex"),
        (TrainConfig, {"var_freeze_expr": "(efficientnet"}, "regular expression"),
        (TrainConfig, {"steps": 10, "num_epochs": 3}, "length of the run once"),
        (TrainConfig, {"steps": None}, "length of the run once"),
        (TrainConfig, {"quality_loss": "qfl", "label_smoothing": 0.1}, "label_smoothing 0.1 does nothing with"),
        (TrainConfig, {"optimizer": "lamb"}, "sgd"),
        (AugmentConfig, {"jitter_min": 1.5, "jitter_max": 1.2}, "jitter_min 1.5 is over"),
        (NmsConfig, {"iou_thresh": 1.5}, "less than or equal to 1"),
    ],
)
def test_bad_values_are_refused_in_words(section, values, message):
    with pytest.raises(ValidationError, match=message):
        section(**values)


def test_the_references_spelling_is_understood():
    assert TrainConfig(mixed_precision=True, strategy="").mixed_precision == "float16"
    assert TrainConfig(mixed_precision=False).mixed_precision is None
    assert TrainConfig(num_epochs=3).steps is None
    assert ModelConfig(label_map={"1": "license_plate"}).label_map == {1: "license_plate"}


def test_all_sections_are_exported():
    assert {section.__name__ for section in SECTIONS} <= set(config.__all__)
