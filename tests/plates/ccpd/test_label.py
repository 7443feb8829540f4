import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.ccpd.alphabet import CHARACTERS, LETTERS, PROVINCES, alphabet_of, encode
from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH, box_area, corners_in_order, hull, iou, tilt, tilt_gaps
from plates.ccpd.label import Label, explain, format_name
from plates.ccpd.table import BATCH, LABELS_SCHEMA, UNPARSED_SCHEMA, label_map, parse_labels
from plates.columns import BOX, CORNERS
from plates.errors import UserError
from plates.photographs.scan import RAW_IMAGES_SCHEMA

README_NAME = "025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15.jpg"


def raw_images(names: list[str], subset: str = "base") -> pa.Table:
    columns = {
        "subset": [subset] * len(names),
        "name": names,
        "path": [f"ccpd_{subset}/{name}" for name in names],
        "bytes": [1] * len(names),
        "sha256": ["0" * 64] * len(names),
        "width": [720] * len(names),
        "height": [1160] * len(names),
        "problem": [None] * len(names),
    }
    return pa.table(columns, schema=RAW_IMAGES_SCHEMA)


def plates() -> st.SearchStrategy[str]:
    tail = st.text(st.sampled_from(CHARACTERS), min_size=5, max_size=6)
    return st.builds("".join, st.tuples(st.sampled_from(PROVINCES), st.sampled_from(LETTERS), tail))


pixels = st.integers(0, 99_999)
labels = st.builds(
    Label,
    area=st.integers(0, 9999).map(lambda tenthousandths: tenthousandths / 10_000),
    tilt=st.tuples(st.integers(0, 999), st.integers(0, 999)),
    box=st.tuples(pixels, pixels, pixels, pixels),
    corners=st.tuples(*[pixels] * 8),
    plate=plates(),
    brightness=st.integers(0, 99_999),
    blurriness=st.integers(0, 9_999_999),
)


@given(st.lists(labels, min_size=1, max_size=8))
def test_what_is_written_into_a_name_is_read_from_it(written: list[Label]) -> None:
    table, unparsed = parse_labels(raw_images([format_name(label) for label in written]))
    assert len(unparsed) == 0
    assert table.schema.equals(LABELS_SCHEMA)
    for label, row in zip(written, table.to_pylist(), strict=True):
        assert row["area_ratio"] == pytest.approx(label.area, abs=1e-7)
        assert (row["tilt_horizontal"], row["tilt_vertical"]) == label.tilt
        assert tuple(row[name] for name in BOX) == label.box
        assert tuple(row[name] for name in CORNERS) == label.corners
        assert (row["plate"], row["province"]) == (label.plate, label.plate[0])
        assert row["plate_type"] == {7: "blue", 8: "green"}[len(label.plate)]
        assert (row["brightness"], row["blurriness"], row["class"]) == (
            label.brightness,
            label.blurriness,
            "license_plate",
        )


@given(st.lists(st.one_of(st.text(st.characters(codec="utf-8"), max_size=60), labels.map(format_name)), max_size=12))
def test_every_name_is_a_label_or_unparsed_with_a_reason(names: list[str]) -> None:
    table, unparsed = parse_labels(raw_images(names))
    assert unparsed.schema.equals(UNPARSED_SCHEMA)
    assert sorted(table["name"].to_pylist() + unparsed["name"].to_pylist()) == sorted(names)
    assert all(unparsed["reason"].to_pylist())


@given(labels.map(format_name), st.data())
@settings(max_examples=200)
def test_a_damaged_name_is_read_or_explained_never_both(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    damaged = name[:at] + data.draw(st.text(st.sampled_from("-_&.0159xO \n٣"), max_size=3)) + name[at + 1 :]
    table, unparsed = parse_labels(raw_images([damaged]))
    assert len(table) + len(unparsed) == 1
    if len(table):
        with pytest.raises(ValueError, match="holds a label"):
            explain(damaged)


def test_the_readme_example() -> None:
    row = parse_labels(raw_images([README_NAME]))[0].to_pylist()[0]
    assert row["area_ratio"] == pytest.approx(0.025)
    assert (row["tilt_horizontal"], row["tilt_vertical"]) == (95, 113)
    assert [row[name] for name in BOX] == [154, 383, 386, 473]
    assert [row[name] for name in CORNERS] == [386, 473, 177, 454, 154, 383, 363, 402]
    assert (row["plate"], row["brightness"], row["blurriness"]) == ("皖AY339S", 37, 15)


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ("-37-15", "", "name", "5"),
        ("-37-15", "-37-15-1", "name", "8"),
        ("-154&383_386", "--154&383_386", "name", "8"),
        ("95_113", "95", "tilt", "95"),
        ("154&383_386&473-", "left&383_386&473-", "box", "left&383_386&473"),
        ("_363&402", "", "corners", "386&473_177&454_154&383"),
        ("-0_0_22", "-34_0_22", "plate", "34"),
        ("0_0_22", "0_25_22", "plate", "25"),
        ("33_16", "33_35", "plate", "35"),
        ("0_0_22_27_27_33_16", "0", "plate", "0"),
        ("-37-", "-bright-", "brightness", "bright"),
        ("-15.", "-1.5.", "blurriness", "1.5"),
        ("-15.", "-٣.", "blurriness", "٣"),
        ("025-", "-", "area", ""),
        (".jpg", ".txt", "name", ".txt"),
        (README_NAME, "0023.jpg", "name", "1"),
    ],
)
def test_what_cannot_be_read_says_the_field_and_what_was_found(old: str, new: str, field: str, found: str) -> None:
    assert README_NAME.count(old) == 1
    table, unparsed = parse_labels(raw_images([README_NAME.replace(old, new)]))
    assert len(table) == 0
    row = unparsed.to_pylist()[0]
    assert (row["field"], row["found"]) == (field, found)
    assert row["reason"]


def test_negatives_have_no_box_and_are_no_failure() -> None:
    table, unparsed = parse_labels(raw_images(["np0.jpg", README_NAME], subset="np"))
    assert (len(table), len(unparsed)) == (2, 0)
    for name in LABELS_SCHEMA.names[LABELS_SCHEMA.names.index("class") :]:
        assert table[name].null_count == 2


def test_order_is_kept_over_batches_and_kinds() -> None:
    names = [README_NAME, "bad.jpg", README_NAME.replace("33_16-", "33_16_24-")] * (BATCH // 3 + 2)
    table, unparsed = parse_labels(raw_images(names))
    assert table["name"].to_pylist() == [name for name in names if name != "bad.jpg"]
    assert len(unparsed) == BATCH // 3 + 2


def test_nine_characters_are_read_for_the_checks_to_reject() -> None:
    row = parse_labels(raw_images([README_NAME.replace("33_16-", "33_16_24_25-")]))[0].to_pylist()[0]
    assert (row["plate"], row["plate_type"]) == ("皖AY339S01", "green")


def test_classes() -> None:
    images = raw_images([README_NAME, README_NAME.replace("33_16-", "33_16_24-").replace("-0_0", "-12_0")])
    assert label_map("plate") == {1: "license_plate"}
    assert label_map("plate_type") == {1: "blue", 2: "green"}
    assert len(label_map("province")) == 33
    assert parse_labels(images, "plate_type")[0]["class"].to_pylist() == ["blue", "green"]
    assert parse_labels(images, "province")[0]["class"].to_pylist() == ["皖", PROVINCES[12]]
    with pytest.raises(UserError, match=r"data\.class_by is 'colour'"):
        parse_labels(images, "colour")  # type: ignore[arg-type]


def test_alphabet_sizes_and_symbols_outside() -> None:
    assert [len(alphabet_of(position)) for position in (0, 1, 2, 7)] == [34, 25, 35, 35]  # CCPD's README
    with pytest.raises(ValueError, match="substring not found"):
        encode("皖A1234I")


def listed(shared, subset: str) -> pa.Table:
    lines = (shared / f"ccpd/labels/ccpd_{subset}.txt").read_text(encoding="utf-8").split()
    return parse_labels(raw_images([line.split("/")[1] for line in lines], subset))


def test_all_real_labels_parse_and_agree_with_their_geometry(shared) -> None:
    """Numbers measured on the lists; the README beside them says the same."""
    parsed = {subset: listed(shared, subset) for subset in ("blur", "db", "fn")}
    assert sum(len(table) for table, _ in parsed.values()) == 51_710
    assert sum(len(unparsed) for _, unparsed in parsed.values()) == 0
    table = pa.concat_tables([table for table, _ in parsed.values()])
    boxes = np.stack([table[name].to_numpy() for name in BOX], axis=1).astype(float)
    corners = np.stack([table[name].to_numpy() for name in CORNERS], axis=1).astype(float).reshape(-1, 4, 2)
    assert corners_in_order(corners).all()
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= 720).all()
    assert (boxes[:, [1, 3]] <= 1160).all()
    assert (box_area(boxes) > 0).all()
    assert np.array_equal(hull(corners), boxes)
    share = table["area_ratio"].to_numpy() / (box_area(boxes) / (IMAGE_WIDTH * IMAGE_HEIGHT))
    assert share.min() > 0.94
    assert share.max() <= 1.0001
    horizontal, vertical = tilt_gaps(corners, table["tilt_horizontal"].to_numpy(), table["tilt_vertical"].to_numpy())
    assert horizontal.max() < 2
    assert np.percentile(vertical, 99) < 3
    ratio = (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])
    assert np.percentile(ratio, [5, 50, 95]) == pytest.approx([1.17, 2.43, 3.22], abs=0.01)


def test_real_photographs_parse_and_base_has_looser_boxes(shared) -> None:
    names = [path.name for path in sorted((shared / "ccpd/CCPD2019/ccpd_base").glob("*.jpg"))]
    table, unparsed = parse_labels(raw_images(names))
    assert (len(table), len(unparsed)) == (415, 0)
    boxes = np.stack([table[name].to_numpy() for name in BOX], axis=1).astype(float)
    corners = np.stack([table[name].to_numpy() for name in CORNERS], axis=1).astype(float).reshape(-1, 4, 2)
    overlap = iou(boxes, hull(corners))
    assert overlap.min() > 0.65
    assert np.median(overlap) < 0.9
    assert np.median(box_area(boxes)) / (IMAGE_WIDTH * IMAGE_HEIGHT) == pytest.approx(0.067, abs=0.002)
    horizontal, _ = tilt_gaps(corners, table["tilt_horizontal"].to_numpy(), table["tilt_vertical"].to_numpy())
    assert horizontal.max() < 7
    green = [path.name for path in sorted((shared / "ccpd/CCPD2020").rglob("*.jpg"))]
    assert parse_labels(raw_images(green, "green"))[0]["plate_type"].to_pylist() == ["green"] * 3


def test_tilt_follows_the_test_subsets() -> None:
    """`0359-5_21-…` and `0849-20_39-…`, the first labels of ccpd_blur and ccpd_fn."""
    corners = np.array(
        [[(417, 398), (179, 377), (151, 285), (389, 306)], [(580, 540), (388, 466), (352, 350), (544, 424)]], float
    )
    assert tilt(corners).tolist()[0] == [5, 21]
    assert (tilt_gaps(corners, *tilt(corners).T.astype(float))[0] < 1).all()


def test_iou_by_hand() -> None:
    first = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [5, 5, 5, 5]], float)
    second = np.array([[5, 0, 15, 10], [10, 10, 20, 20], [5, 5, 5, 5]], float)
    assert iou(first, second).tolist() == [pytest.approx(1 / 3), 0, 0]


def test_a_label_may_name_any_picture_that_is_converted() -> None:
    for suffix in (".png", ".JPEG", ".tif", ".webp"):
        table, unparsed = parse_labels(raw_images([README_NAME.replace(".jpg", suffix)]))
        assert (len(table), len(unparsed)) == (1, 0)
