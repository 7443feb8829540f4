import json

import pandas as pd
import pyarrow as pa
import pytest

from ccpd.coco import from_coco, to_coco
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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"annotations": [{"id": 5, "image_id": 70, "category_id": 3, "bbox": [1, 1, 1, 1]}]},
            "images that do not exist: 5",
        ),
        (
            {"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 1, 1, 1]}]},
            "categories that do not exist: 5",
        ),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 3, "bbox": [1, 1, 1]}]}, "not four numbers: 5"),
        ({"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}]}, "equal image ids: 7"),
        ({"images": [{"id": 7, "file_name": "../a.jpg"}]}, "out of the folder: ../a.jpg"),
        ({"annotations": [*small()["annotations"]] * 2}, "equal annotation ids: 1"),
    ],
)
def test_what_does_not_hold_together_is_named(changes, said):
    with pytest.raises(UserError, match=said):
        from_coco(small(**changes))


def test_missing_files_and_other_json_are_named(raw_images, tmp_path):
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")

    with pytest.raises(UserError, match=r"1 of 1 images .* street/a\.jpg"):
        from_coco(small(), raw_images)
    with pytest.raises(UserError, match="not COCO JSON"):
        from_coco(tmp_path / "other.json")
    with pytest.raises(UserError, match="no images, annotations, categories"):
        from_coco({})
    with pytest.raises(UserError, match="cannot be read"):
        from_coco(tmp_path / "absent.json")


def test_a_class_that_the_label_map_lacks_is_refused(boxes):
    with pytest.raises(UserError, match="license_plate"):
        to_coco(boxes, label_map={1: "blue"})
