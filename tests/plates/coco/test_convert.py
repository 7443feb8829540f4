import json
import math
import re
from itertools import permutations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from coco_files import ANNOTATION, IMAGE, small, without
from hypothesis import given
from hypothesis import strategies as st

from plates.ccpd.table import LABELS_SCHEMA, parse_labels
from plates.coco.convert import from_coco, to_coco
from plates.columns import BOX, CORNERS
from plates.errors import UserError

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
    return boxes[["subset", "name", "path", "width", "height", "problem"]].assign(sha256="a" * 64, orientation=None)


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
    more = [{"id": id, "file_name": f"street/z{id}.jpg", "width": 640, "height": 480} for id in (8, 9)]
    crowd = {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1}
    one = {"id": 3, "image_id": 9, "category_id": 3, "bbox": [50, 50, 9, 9]}

    imported = from_coco(small(images=[*small()["images"], *more], annotations=[*small()["annotations"], crowd, one]))

    row, negative = imported.labels.to_dict("records")
    assert (row["subset"], row["name"], row["path"], row["class"]) == ("street", "a.jpg", "street/a.jpg", "plate")
    assert [row[edge] for edge in BOX] == [10, 20, 40, 60]
    assert pd.isna(row["rb_x"])
    assert pd.isna(row["plate"])
    assert pd.isna(negative["class"])
    assert (imported.crowds, imported.crowded) == (1, ["street/z9.jpg"]), (
        "what is in a crowd is not learned as background"
    )


def test_the_files_give_hash_and_size_and_what_is_unlisted_is_counted(boxes, raw_images):
    content = to_coco(boxes)
    content["images"] = content["images"][:2]
    content["images"][0]["width"] = 640

    imported = from_coco(content, raw_images)

    assert imported.unlisted == 1
    assert imported.labels["sha256"].tolist() == ["a" * 64] * 2
    assert imported.labels["width"].tolist() == [720, 720]
    assert imported.labels["problem"][0] == "size differs: the file is 720x1160, the annotations say 640x1160"
    assert pd.isna(imported.labels["problem"][1])


def test_missing_files_are_named(raw_images: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"1 of 1 images .* street/a\.jpg\. File names are relative to data\.root"):
        from_coco(small(), raw_images)
    composed, decomposed = "caf\u00e9/\u7696A.jpg", "cafe\u0301/\u7696A.jpg"
    content, there = small(images=[IMAGE | {"file_name": composed}]), raw_images.head(1)
    with pytest.raises(UserError, match="1 of them are there with accents in another Unicode form"):
        from_coco(content, there.assign(path=decomposed))
    assert from_coco(content, there.assign(path=composed)).labels["path"].tolist() == [composed]
    for path, how in (
        ("CAF\u00c9/\u7696a.JPG", "in different upper or lower case"),
        ("x/\u7696A.jpg", "in another folder"),
    ):
        with pytest.raises(UserError, match=rf"1 of them are there {how} \({path}\)"):
            from_coco(content, there.assign(path=path))


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([0.1, 0.2, 0.3, 0.1], "all 3 boxes are within one pixel, like shares of the picture"),
        ([400, 300, 500, 340], "3 of 3 boxes extend past the edge, but all would fit as [xmin, ymin, xmax, ymax]"),
    ],
)
def test_boxes_that_are_written_in_another_way_are_not_misread(box: list, said: str, raw_images: pd.DataFrame) -> None:
    files = raw_images.head(1).assign(path="street/a.jpg", width=640, height=480)
    others = [ANNOTATION | {"id": number, "bbox": box} for number in range(3)]
    with pytest.raises(UserError, match=re.escape(said)):
        from_coco(small(annotations=others), files)

    crowds = [one | {"iscrowd": 1} for one in others]
    with pytest.raises(UserError, match=r"has no box for any of its 1 images; 1 have crowds"):
        from_coco(small(annotations=crowds), files)
    one = ANNOTATION | {"id": 9, "bbox": [300, 200, 30, 40]}
    assert len(from_coco(small(annotations=[*others, one]), files).labels) == 4


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
classes = st.text(min_size=1, max_size=8).filter(lambda name: name.isprintable() and name == name.strip())
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


def test_width_and_height_exchanged_are_called_so(raw_images) -> None:
    swapped = IMAGE | {"file_name": raw_images["path"][0], "width": 1160, "height": 720}

    problem = from_coco(small(images=[swapped]), raw_images).labels["problem"][0]

    assert problem == "size differs: the file is 720x1160, the annotations say 1160x720 (width and height exchanged)"


def test_images_in_no_folder_are_of_a_subset_with_a_name() -> None:
    assert from_coco(small(images=[IMAGE | {"file_name": "a.jpg"}])).labels["subset"].tolist() == ["data.root"]


def test_a_class_that_the_label_map_lacks_is_refused(boxes):
    with pytest.raises(UserError, match="license_plate"):
        to_coco(boxes, label_map={1: "blue"})
