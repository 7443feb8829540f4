"""The table of scaling: published parameter counts, overriding, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates.efficientdet.config import AugmentConfig, ModelConfig, NmsConfig
from plates.efficientdet.model import network
from plates.efficientdet.model.family import VARIANTS, check_classes, resolve
from plates.efficientdet.model.models_table import count, rows
from plates.errors import UserError

# Tan et al., 2020, table 2, and google/automl's README: millions of parameters, billions of multiply-adds.
PUBLISHED = {
    "d0": (3.9, 2.5),
    "d1": (6.6, 6.1),
    "d2": (8.1, 11),
    "d3": (12.0, 25),
    "d4": (20.7, 55),
    "d5": (33.7, 135),
    "d6": (51.9, 226),
    "d7": (51.9, 325),
    "d7x": (77.1, 410),  # printed as 77M
}


def counted(name: str, classes: int = 90, **model):
    return count(resolve(ModelConfig(name=name, num_classes=classes, **model)))


@pytest.mark.parametrize("variant", PUBLISHED)
def test_published_sizes(variant):
    found = counted(f"efficientdet-{variant}")
    parameters, flops = PUBLISHED[variant]
    assert (found.parameters - found.fixed) / 1e6 == pytest.approx(parameters, abs=0.1)
    assert found.multiply_adds / 1e9 == pytest.approx(flops, rel=0.03)


def test_exact_parameters_of_d0_and_d1():
    """Counted in the reference itself, at 90 classes (trainable, in all)."""
    d0, d1 = counted("efficientdet-d0"), counted("efficientdet-d1")
    assert (d0.parameters - d0.fixed, d0.parameters) == (3_880_067, 3_927_203)
    assert (d1.parameters - d1.fixed, d1.parameters) == (6_625_898, 6_697_354)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "efficientdet-tiny", "num_classes": 1},
        {"name": "efficientdet-d0", "num_classes": 90},
        {"name": "efficientdet-tiny", "num_classes": 2, "separable_conv": False, "fpn_weight_method": "sum"},
        {"name": "efficientdet-tiny", "backbone": "efficientnetv2-b0", "num_classes": 3, "max_level": 7},
    ],
)
def test_the_count_is_the_built_networks(model):
    spec = resolve(ModelConfig(**{"image_size": 128, **model}))
    built = network.build(spec)
    found = count(spec)
    assert built.count_params() == found.parameters
    assert sum(v.numpy().size for v in built.trainable_variables) == found.parameters - found.fixed


def test_the_dry_runs_default_is_small():
    assert resolve(ModelConfig(num_classes=1)).image_size == (384, 240)
    assert counted("efficientdet-tiny", classes=1).parameters == pytest.approx(0.66e6, rel=0.03)


def test_table_has_every_variant_with_its_own_values():
    table = {row["name"]: row for row in rows()}
    assert set(table) == set(VARIANTS)
    assert table["efficientdet-d7x"]["levels"] == "P3-P8"
    assert table["efficientdet-d0"]["anchors"] == 49104


def test_anything_can_be_overridden():
    spec = resolve(
        ModelConfig(
            name="efficientdet-d1",
            backbone="efficientnetv2-s",
            image_size="1024×640",
            label_map={1: "blue", 2: "green"},
            aspect_ratios=[[1.4, 0.7]],
            anchor_scale=[3, 4, 4, 5, 4],
            fpn_num_filters=24,
        )
    )
    assert spec.image_size == (640, 1024)
    assert (spec.backbone, spec.num_classes, spec.fpn_num_filters) == ("efficientnetv2-s", 2, 24)
    assert (spec.aspect_ratios, spec.anchor_scale) == (((1.4, 0.7),), (3.0, 4.0, 4.0, 5.0, 4.0))
    assert spec.mean_rgb == (128.0,) * 3
    assert (spec.fpn_cell_repeats, spec.num_scales) == (4, 3)


def test_fitted_ratios_are_used_where_they_are_asked_for():
    spec = resolve(ModelConfig(num_classes=1, aspect_ratios="auto"), aspect_ratios=[4.0])
    assert spec.aspect_ratios == ((2.0, 0.5),)


@pytest.mark.parametrize(
    ("model", "classes", "message"),
    [
        ({"name": "efficientdet-d9"}, 1, r"'efficientdet-d9' \(did you mean efficientdet-d\d"),
        ({"backbone": "resnet50"}, 1, "no backbone is called 'resnet50'"),
        ({"aspect_ratios": "auto"}, 1, "plates materialize anchors"),
        ({}, None, "set model.num_classes"),
        ({"num_classes": 1}, 3, "class ids up to 3, the model knows 1"),
        ({"anchor_scale": [1.0, 2.0]}, 1, "2 entries for 3 levels"),
        ({"min_level": 5}, 1, "min_level 5 must be under max_level 5"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(model, classes, message):
    with pytest.raises(UserError, match=message):
        resolve(ModelConfig(**model), classes)


SIDES = st.integers(64, 700) | st.integers(2, 22).map(lambda cells: 32 * cells)


@given(SIDES, SIDES, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_crop_has_whole_cells_and_at_least_its_share(height, width, across, down):
    spec = resolve(ModelConfig(image_size=f"{width}x{height}"), num_classes=1)
    found = spec.training_size(AugmentConfig(crop_width=across, crop_height=down))
    for side, whole, share in zip(found, (height, width), (down, across), strict=True):
        assert side == whole or (side % 32 == 0 and whole % 32 == 0), "else features shift against a whole picture"
        assert share * whole <= side <= max(share * whole + 32, whole)
    assert spec.training_size(AugmentConfig(crop_width=1, crop_height=1)) == (height, width)


@pytest.mark.parametrize(
    ("model", "size"),
    [({}, (128, 240)), ({"backbone": "efficientnetv2-b0"}, (384, 240)), ({"name": "efficientdet-d0"}, (512, 512))],
)
def test_the_small_backbone_alone_trains_on_crops(model, size):
    assert resolve(ModelConfig(**model), num_classes=1).training_size(AugmentConfig()) == size


@pytest.mark.parametrize(
    ("model", "least"), [({}, 0.65), ({"backbone": "efficientnetv2-b0"}, 0), ({"name": "efficientdet-d0"}, 0)]
)
def test_the_small_backbone_alone_votes_unless_asked(model, least):
    spec = resolve(ModelConfig(**model), num_classes=1)
    assert spec.post_processing(NmsConfig()).voting == least
    assert spec.post_processing(NmsConfig(voting=0)).voting == 0
    assert spec.post_processing(NmsConfig(voting=0.8)).voting == 0.8


def test_a_label_map_that_misses_or_swaps_an_id_is_refused():
    check_classes(None, None, {1: "blue"})
    check_classes({1: "blue", 2: "green"}, None, {1: "blue"})
    with pytest.raises(UserError, match=r"2 is 'green' in the TFRecords, 'missing' in model.label_map"):
        check_classes({1: "blue"}, None, {1: "blue", 2: "green"})
    with pytest.raises(UserError, match=r"1 is 'blue' in the TFRecords, 'green'"):
        check_classes({1: "green", 2: "blue"}, None, {1: "blue", 2: "green"})


def test_more_classes_than_the_data_names_are_refused():
    check_classes(None, 1, {1: "blue"})
    with pytest.raises(UserError, match="num_classes is 90, but the data's classes end at 1"):
        check_classes(None, 90, {1: "blue"})
