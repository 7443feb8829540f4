import json
import math
import re
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccpd.coco import categories, from_coco, to_coco
from ccpd.columns import BOX, CORNERS
from ccpd.label_table import LABELS_SCHEMA, parse_labels
from lineage.errors import UserError

PATHS = (
    "ccpd_base/0166008141762-90_86-167&514_430&588-448&583_175&601_176&522_449&504-0_0_6_32_33_32_15-114-281.jpg",
    "ccpd_blur/0359-5_21-151&285_417&398-417&398_179&377_151&285_389&306-0_0_4_33_32_25_12-59-4.jpg",
    "ccpd_np/1.jpg",
)


@pytest.fixture
def boxes() -> pd.DataFrame:
    rows = [
        {"subset": folder.removeprefix("ccpd_"), "name": name, "path": f"{folder}/{name}", "width": 720, "height": 1160}
        for folder, name in (path.split("/") for path in PATHS)
    ]
    images = pa.Table.from_pylist(rows, schema=pa.schema(list(LABELS_SCHEMA)[:7]))
    return parse_labels(images)[0].to_pandas()


@pytest.fixture
def raw_images(boxes) -> pd.DataFrame:
    return boxes[["subset", "name", "path", "width", "height", "problem"]].assign(sha256="a" * 64)


def small(**changes) -> dict:
    content = {
        "images": [{"id": 7, "file_name": "street/a.jpg", "width": 640, "height": 480}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]}],
        "categories": [{"id": 3, "name": "plate"}],
    }
    return content | changes


def test_pycocotools_loads_ours(boxes, tmp_path):
    from pycocotools.coco import COCO

    splits = pd.DataFrame({"path": PATHS, "image_id": [1, 2, 3], "split": ["train", "test", "test"]})
    (tmp_path / "boxes.json").write_text(json.dumps(to_coco(boxes, splits, {1: "license_plate"})), encoding="utf-8")

    coco = COCO(str(tmp_path / "boxes.json"))

    assert coco.getImgIds() == [1, 2, 3]
    assert [annotation["bbox"] for annotation in coco.loadAnns(coco.getAnnIds())] == [
        [167.0, 514.0, 263.0, 74.0],
        [151.0, 285.0, 266.0, 113.0],
    ]
    assert coco.getAnnIds(imgIds=3) == []
    assert coco.loadAnns(1)[0]["area"] == 263 * 74
    assert coco.loadCats(1)[0]["name"] == "license_plate"


def test_a_table_comes_back_as_it_was(boxes):
    back = from_coco(json.loads(json.dumps(to_coco(boxes))))

    assert back.label_map == {1: "license_plate"}
    expected = boxes.sort_values("path").reset_index(drop=True)
    for column in LABELS_SCHEMA.names:
        pd.testing.assert_series_equal(back.labels[column], expected[column], check_dtype=False)


def test_another_data_set_becomes_a_labels_table():
    images = [*small()["images"], {"id": 8, "file_name": "street/empty.jpg", "width": 640, "height": 480}]
    crowd = {"id": 2, "image_id": 8, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1}

    imported = from_coco(small(images=images, annotations=[*small()["annotations"], crowd]))

    row, negative = imported.labels.to_dict("records")
    assert (row["subset"], row["name"], row["path"], row["class"]) == ("street", "a.jpg", "street/a.jpg", "plate")
    assert [row[side] for side in ("xmin", "ymin", "xmax", "ymax")] == [10, 20, 40, 60]
    assert pd.isna(row["rb_x"])
    assert pd.isna(row["plate"])
    assert pd.isna(negative["class"])
    assert imported.crowds == 1


def test_the_files_give_hash_and_size_and_what_is_unlisted_is_counted(boxes, raw_images):
    content = to_coco(boxes)
    content["images"] = content["images"][:2]
    content["images"][0]["width"] = 640

    imported = from_coco(content, raw_images)

    assert imported.unlisted == 1
    assert imported.labels["sha256"].tolist() == ["a" * 64] * 2
    assert imported.labels["width"].tolist() == [720, 720]
    assert imported.labels["problem"][0] == "is 720x1160, the annotations say 640x1160"
    assert pd.isna(imported.labels["problem"][1])


IMAGE, ANNOTATION, CATEGORY = (small()[section][0] for section in ("images", "annotations", "categories"))


def without(entry: dict, key: str) -> dict:
    return {name: value for name, value in entry.items() if name != key}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": [IMAGE, {"id": 8}]}, "images without file_name: 1 of 2, at index 1 (id 8)"),
        ({"images": [without(IMAGE, "id")]}, "images without id: 1 of 1, at index 0"),
        ({"images": [IMAGE, "a.jpg", None]}, "images that are no objects: 2 of 3, at index 1, 2"),
        ({"images": [IMAGE | {"id": "7"}]}, "images whose id is not a whole number: 1 of 1, at index 0 (id '7')"),
        ({"images": [IMAGE | {"id": 7.5}]}, "images whose id is not a whole number: 1 of 1, at index 0 (id 7.5)"),
        ({"images": [IMAGE | {"id": True}]}, "images whose id is not a whole number: 1 of 1, at index 0 (id True)"),
        ({"images": [IMAGE | {"file_name": ""}]}, "images whose file_name is not the path of a file: 1 of 1"),
        ({"images": [IMAGE | {"file_name": None}]}, "images whose file_name is not the path of a file: 1 of 1"),
        ({"images": [IMAGE | {"file_name": "\ud800.jpg"}]}, "images whose file_name is not the path of a file: 1 of 1"),
        ({"images": [IMAGE | {"width": "640"}]}, "images whose width is not a whole number of pixels: 1 of 1"),
        ({"images": [IMAGE | {"height": 480.5}]}, "images whose height is not a whole number of pixels: 1 of 1"),
        ({"images": [IMAGE | {"width": 2**31}]}, "images whose width is not a whole number of pixels: 1 of 1"),
        ({"images": [IMAGE | {"subset": 3}]}, "images whose subset is not text: 1 of 1, at index 0 (id 7)"),
        (
            {"images": [IMAGE, IMAGE | {"file_name": "b.jpg"}]},
            "images whose id stands twice: 2 of 2, at index 0 (id 7), 1 (id 7)",
        ),
        (
            {"images": [IMAGE, {"id": 8, "file_name": "./street//a.jpg"}]},
            "images whose file_name stands twice: 2 of 2, at index 0 (file_name 'street/a.jpg'), 1 (file_name './str",
        ),
        *(
            (
                {"images": [IMAGE | {"file_name": name}]},
                f"images whose file_name leads out of the folder: 1 of 1, at index 0 (file_name {name!r})",
            )
            for name in ("../a.jpg", "/data/a.jpg", "a/../../b.jpg", "C:\\photos\\a.jpg", "..\\a.jpg")
        ),
        ({"annotations": [None, []]}, "annotations that are no objects: 2 of 2, at index 0, 1"),
        ({"annotations": [without(ANNOTATION, "image_id")]}, "annotations without image_id: 1 of 1, at index 0 (id 1)"),
        ({"annotations": [without(ANNOTATION, "category_id")]}, "annotations without category_id: 1 of 1"),
        ({"annotations": [without(ANNOTATION, "bbox")]}, "annotations without bbox: 1 of 1, at index 0 (id 1)"),
        ({"annotations": [ANNOTATION | {"bbox": None}]}, "annotations without bbox: 1 of 1, at index 0 (id 1)"),
        *(
            (
                {"annotations": [ANNOTATION | {"bbox": box}]},
                "annotations whose bbox is not four numbers, [x, y, width, height]: 1 of 1, at index 0 (id 1)",
            )
            for box in ([1, 1, 1], [], [1] * 5, ["1", "2", "3", "4"], [1, 1, 1, float("nan")], [1, 1, 1, 1e300], 4, "")
        ),
        *(
            (
                {"annotations": [ANNOTATION | {"corners": corners}]},
                "annotations whose corners is not eight numbers, the corners in CCPD's order: 1 of 1",
            )
            for corners in ([1, 2, 3], [[1, 2], [3, 4], [5, 6], [7, 8]], [1] * 7 + [None], {"rb": [1, 2]})
        ),
        ({"annotations": [ANNOTATION | {"id": "a"}]}, "annotations whose id is not a whole number: 1 of 1"),
        ({"annotations": [ANNOTATION | {"image_id": "7"}]}, "annotations whose image_id is not a whole number: 1 of 1"),
        ({"annotations": [ANNOTATION | {"iscrowd": "some"}]}, "annotations whose iscrowd is not 0 or 1: 1 of 1"),
        ({"annotations": [ANNOTATION | {"plate": 12}]}, "annotations whose plate is not text: 1 of 1"),
        (
            {"annotations": [ANNOTATION | {"brightness": 0.5}]},
            "annotations whose brightness is not a whole number: 1 of",
        ),
        ({"annotations": [ANNOTATION | {"tilt_vertical": 2**15}]}, "whose tilt_vertical is not a whole number: 1 of 1"),
        ({"annotations": [ANNOTATION | {"area_ratio": "1%"}]}, "annotations whose area_ratio is not a number: 1 of 1"),
        (
            {"annotations": [ANNOTATION | {"id": 5, "image_id": 70}]},
            "annotations of images that do not exist: 1 of 1, at index 0 (id 5)",
        ),
        (
            {"annotations": [without(ANNOTATION, "id") | {"category_id": 1}]},
            "annotations of categories that do not exist: 1 of 1, at index 0\n",
        ),
        ({"annotations": [ANNOTATION] * 2}, "annotations whose id stands twice: 2 of 2, at index 0 (id 1), 1 (id 1)"),
        (
            {"annotations": [{"id": number} for number in range(1200)]},
            "annotations without image_id: 1,200 of 1,200, "
            "at index 0 (id 0), 1 (id 1), 2 (id 2), 3 (id 3), 4 (id 4), ...",
        ),
        ({"categories": [{"id": 3}]}, "categories without name: 1 of 1, at index 0 (id 3)"),
        ({"categories": [{"name": "plate"}]}, "categories without id: 1 of 1, at index 0"),
        ({"categories": [CATEGORY | {"name": None}]}, "categories whose name is not a name: 1 of 1, at index 0 (id 3)"),
        ({"categories": [CATEGORY, CATEGORY | {"name": "other"}]}, "categories whose id stands twice: 2 of 2"),
        (
            {"categories": [CATEGORY, CATEGORY | {"id": 4}]},
            "categories whose name stands twice (rename one, or take out what no annotation has): 2 of 2, "
            "at index 0 (name 'plate'), 1 (name 'plate')",
        ),
    ],
)
def test_what_does_not_hold_together_is_named(changes: dict, said: str) -> None:
    for read in (from_coco, categories):
        with pytest.raises(UserError, match=re.escape(said)):
            read(small(**changes))


def test_every_kind_of_fault_is_in_one_message() -> None:
    with pytest.raises(UserError) as error:
        from_coco(small(images=[{}], annotations=[ANNOTATION | {"bbox": []}], categories=[3]))

    kinds = ("without id", "without file_name", "whose bbox is not", "categories that are no objects", "plates run")
    assert all(kind in str(error.value) for kind in kinds)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "it is a list, not an object with images, annotations and categories"),
        ("null", "it is null, not an object"),
        ("{}", "no images, no annotations, no categories"),
        (
            '{"images": null, "annotations": {}, "categories": []}',
            "images is null, not a list, annotations is an object",
        ),
        ('{"images": [', "cannot be read as COCO JSON"),
        ("", "cannot be read as COCO JSON"),
    ],
)
def test_other_json_is_named(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    for read in (from_coco, categories):
        with pytest.raises(UserError, match=f"^{re.escape(str(file))} .*{said}.* Set data.annotations to another file"):
            read(file)
        with pytest.raises(UserError, match="cannot be read as COCO JSON"):
            read(tmp_path / "absent.json")


def test_missing_files_are_named(raw_images: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"1 of 1 images .* street/a\.jpg\. File names are relative to data\.root"):
        from_coco(small(), raw_images)
    composed, decomposed = "caf\u00e9/\u7696A.jpg", "cafe\u0301/\u7696A.jpg"
    content, there = small(images=[IMAGE | {"file_name": composed}]), raw_images.head(1)
    with pytest.raises(UserError, match="1 of them are there with accents in another Unicode form"):
        from_coco(content, there.assign(path=decomposed))
    assert from_coco(content, there.assign(path=composed)).labels["path"].tolist() == [composed]


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({"images": [{"id": 7, "file_name": "a.jpg"}]}, ["subset", "path", "class"], ["", "a.jpg", "plate"]),
        (
            {"images": [IMAGE | {"file_name": "day1\\cam 2\\a.jpg"}]},
            ["subset", "name", "path"],
            ["day1/cam 2", "a.jpg", "day1/cam 2/a.jpg"],
        ),
        ({"images": [IMAGE | {"file_name": "\u7696/\U0001f697.jpg"}]}, ["path"], ["\u7696/\U0001f697.jpg"]),
        ({"images": [IMAGE | {"id": 7.0, "width": 640.0, "license": None, "x": [1]}]}, ["width", "xmin"], [640, 10]),
        ({"annotations": [ANNOTATION | {"category_id": 3.0, "image_id": 7.0}]}, ["class", "xmin"], ["plate", 10]),
        ({"annotations": [without(ANNOTATION, "id") | {"attributes": {}, "iscrowd": None}]}, ["class"], ["plate"]),
        ({"annotations": [ANNOTATION | {"bbox": [-3.5, 470, 20, 40]}]}, ["xmin", "ymax"], [-3.5, 510]),
        ({"categories": [{"id": 3, "name": 8, "supercategory": "none"}]}, ["class"], ["8"]),
        (
            {"categories": [{"id": 0, "name": "plate"}], "annotations": [ANNOTATION | {"category_id": 0}]},
            ["class"],
            ["plate"],
        ),
    ],
)
def test_what_other_tools_write_is_taken_where_it_is_clear(changes: dict, column: list[str], value: list) -> None:
    imported = from_coco(small(**changes))

    assert imported.labels[column].to_numpy().tolist() == [value]
    assert imported.label_map == categories(small(**changes)) == {1: imported.labels["class"][0]}


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_text(json.dumps(small()), encoding="utf-8-sig")

    assert len(from_coco(tmp_path / "bom.json").labels) == 1


def test_equal_names_in_folders_of_equal_names_are_of_different_subsets() -> None:
    names = ("train/images/1.jpg", "valid/images/1.jpg")
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]

    labels = from_coco(small(images=images, annotations=[])).labels

    assert labels["subset"].tolist() == ["train/images", "valid/images"]


def test_crowds_without_a_box_are_left_out_like_others() -> None:
    crowd = without(ANNOTATION, "bbox") | {"iscrowd": 1, "segmentation": {"counts": [4], "size": [2, 2]}}

    imported = from_coco(small(annotations=[crowd]))

    assert (imported.crowds, imported.polygons) == (1, 0)
    assert imported.labels["class"].isna().all()


PLATE = ((90.0, 60.0), (12.0, 50.0), (10.0, 20.0), (88.0, 30.0))  # right-bottom, left-bottom, left-top, right-top


@pytest.mark.parametrize("points", list(permutations(PLATE)))
def test_four_points_are_corners_in_whatever_order(points: tuple) -> None:
    outline = [number for point in points for number in point]

    for polygon in (outline, outline + outline[:2]):
        imported = from_coco(small(annotations=[ANNOTATION | {"segmentation": [polygon]}]))

        assert imported.labels[CORNERS].to_numpy().tolist() == [[number for point in PLATE for number in point]]
        assert imported.polygons == 0


@given(st.floats(30, 400), st.floats(1.5, 5), st.floats(-40, 40), st.floats(-10, 10), st.permutations(range(4)))
def test_corners_of_a_turned_plate_stand_where_their_names_say(width, aspect, turn, shear, order) -> None:
    upright = np.array([[1, 1], [0, 1], [0, 0], [1, 0]]) * [width, width / aspect]
    sheared = upright + np.stack([upright[:, 1] * math.tan(math.radians(shear)), np.zeros(4)], axis=1)
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    plate = (sheared @ np.array([[cosine, sine], [-sine, cosine]]) + 500).astype(np.float32).astype(float)
    polygon = plate[list(order)].ravel().tolist()

    labels = from_coco(small(annotations=[ANNOTATION | {"segmentation": [polygon]}])).labels

    assert labels[CORNERS].to_numpy().tolist() == [plate.ravel().tolist()]


@pytest.mark.parametrize(
    ("segmentation", "polygons"),
    [
        ([[1, 1, 9, 1, 9, 5, 1, 5, 0, 3]], 1),
        ([[1, 1, 9, 1, 9, 5]], 1),
        ([[1, 1, 4, 1, 4, 5, 1, 5], [5, 1, 9, 1, 9, 5, 5, 5]], 1),
        ([[1, 1, 9, 1, 9, 5, 1, None]], 1),
        ([[1, 1, 9, 1, 9, 5, 1, float("nan")]], 1),
        ([[1, 1, 9, 1, 9, 5, 1, "5"]], 1),
        ([1, 1, 9, 1, 9, 5, 1, 5], 1),
        ({"counts": "abc", "size": [480, 640]}, 1),
        ([], 0),
        ([[]], 0),
        (None, 0),
    ],
)
def test_other_outlines_give_no_corners_and_are_counted(segmentation: object, polygons: int) -> None:
    plain = ANNOTATION | {"id": 2, "segmentation": [[1, 1, 9, 1, 9, 5, 1, 5]]}

    imported = from_coco(small(annotations=[ANNOTATION | {"segmentation": segmentation}, plain]))

    assert imported.polygons == polygons
    assert imported.labels[CORNERS].isna().all(axis=1).tolist() == [True, False]
    assert imported.labels["xmin"].tolist() == [10, 10]


def test_corners_of_our_own_are_taken_as_they_are_before_the_outline() -> None:
    corners = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    outline = [[1, 1, 9, 1, 9, 5]]

    imported = from_coco(small(annotations=[ANNOTATION | {"segmentation": outline, "corners": corners}]))

    assert imported.labels[CORNERS].to_numpy().tolist() == [corners]
    assert imported.polygons == 0


def maybe(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


quarters = st.integers(-4_000, 40_000).map(lambda number: number / 4)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
parts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=6)
names = parts.filter(lambda part: part.strip(".") and part[1:] != ":")
classes = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
annotations = st.fixed_dictionaries(
    {
        "class": classes,
        **dict.fromkeys(BOX, quarters),
        "corners": maybe(st.tuples(*[quarters] * 8)),
        **dict.fromkeys(("province", "plate", "plate_type"), maybe(texts)),
        **dict.fromkeys(("tilt_horizontal", "tilt_vertical"), maybe(st.integers(-(2**15), 2**15 - 1))),
        **dict.fromkeys(("brightness", "blurriness"), maybe(st.integers(-(2**31), 2**31 - 1))),
        "area_ratio": maybe(st.floats(0, 1, width=32)),
    }
)
images = st.fixed_dictionaries(
    {
        "subset": texts,
        **dict.fromkeys(("width", "height"), maybe(st.integers(0, 2**31 - 1))),
        "annotations": st.lists(annotations, max_size=3),
    }
)


@given(st.dictionaries(st.lists(names, min_size=1, max_size=3).map("/".join), images, min_size=1, max_size=4))
def test_any_table_comes_back_as_it_was(tree: dict[str, dict]) -> None:
    rows = [
        {"path": path, "name": path.rpartition("/")[2], **without(image, "annotations"), **without(one, "corners")}
        | dict(zip(CORNERS, one.get("corners") or [None] * 8, strict=True))
        for path, image in sorted(tree.items())
        for one in image["annotations"] or [{}]
    ]
    table = pa.Table.from_pylist(rows, schema=LABELS_SCHEMA)

    back = from_coco(json.loads(json.dumps(to_coco(table.to_pandas()))))

    assert pa.Table.from_pandas(back.labels, LABELS_SCHEMA, preserve_index=False).to_pylist() == table.to_pylist()
    assert (back.crowds, back.polygons) == (0, 0)


def test_a_class_that_the_label_map_lacks_is_refused(boxes):
    with pytest.raises(UserError, match="license_plate"):
        to_coco(boxes, label_map={1: "blue"})
