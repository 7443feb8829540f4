from collections import defaultdict

from checks.annotations import validate
from plates.ccpd.scenes import KINDS, generate
from plates.ccpd.table import parse_labels
from plates.photographs.scan import scan

NOT_PARSED = {"few_fields", "not_a_number", "index_outside_alphabet"}

MUST_BREAK = {
    "box_outside_image": {"box_inside_image", "box_fits_corners"},
    "box_swapped": {"box_sides_positive"},
    "box_degenerate": {"box_sides_positive"},
    "box_off_corners": {"corners_inside_box", "box_fits_corners"},
    "corners_reordered": {"corners_in_order"},
    "area_wrong": {"area_field_matches"},
    "tilt_wrong": {"tilt_matches_corners"},
    "plate_short": {"blue_plate_has_7"},
    "plate_no_character": {"plate_complete"},
    "nine_characters": {"green_plate_has_8"},
    "zero_bytes": {"image_decodes"},
    "truncated_jpeg": {"image_decodes"},
    "not_a_jpeg": {"image_is_jpeg"},
    "wrong_size": {"image_size_as_labelled"},
    "duplicate_content": {"content_has_one_label"},
}


def test_every_bad_scene_of_a_sample_is_set_aside_and_no_good_one(tmp_path):
    sample = generate(tmp_path / "sample", count=40, seed=3, bad=1 / 40, workers=1)
    images = scan(sample.folder, tmp_path / "scan.parquet").table

    labels, unparsed = parse_labels(images)
    verdict = validate(labels.to_pandas())

    broken = defaultdict(set)
    for path, names in zip(verdict.rejected["path"], verdict.rejected["broken"], strict=True):
        broken[sample.bad.get(path, "good")].update(names)
    assert dict(broken) == MUST_BREAK
    assert {sample.bad[path] for path in unparsed["path"].to_pylist()} == NOT_PARSED
    assert set(MUST_BREAK) | NOT_PARSED == set(KINDS)
    assert "subset_known" not in {outcome.name for outcome in verdict.outcomes if not outcome.success}
    assert len(verdict.accepted) == len(sample.paths) - len(sample.bad)
    assert not set(verdict.accepted["path"]) & set(sample.bad)
