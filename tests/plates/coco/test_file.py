"""What a COCO file must hold to be read: each fault is named, and what other tools write is taken where it is clear."""

import json
import os
import re
from pathlib import Path

import pytest
from coco_files import ANNOTATION, CATEGORY, IMAGE, small, without

from plates.coco.convert import categories, from_coco
from plates.errors import UserError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": [IMAGE, {"id": 8}]}, "images without file_name: 1 of 2, at index 1 (id 8)"),
        ({"images": [without(IMAGE, "id")]}, "images without id: 1 of 1, at index 0"),
        ({"images": [IMAGE, "a.jpg", None]}, "images that are not objects: 2 of 3, at index 1, 2"),
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
            "images whose id occurs twice: 2 of 2, at index 0 (id 7), 1 (id 7)",
        ),
        (
            {"images": [IMAGE, {"id": 8, "file_name": "./street//a.jpg"}]},
            "images whose file_name occurs twice: 2 of 2, at index 0 (file_name 'street/a.jpg'), 1 (file_name './str",
        ),
        *(
            (
                {"images": [IMAGE | {"file_name": name}]},
                f"images whose file_name is outside the folder: 1 of 1, at index 0 (file_name {name!r})",
            )
            for name in ("../a.jpg", "/data/a.jpg", "a/../../b.jpg", "C:\\photos\\a.jpg", "..\\a.jpg")
        ),
        ({"annotations": [None, []]}, "annotations that are not objects: 2 of 2, at index 0, 1"),
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
        ({"annotations": [ANNOTATION] * 2}, "annotations whose id occurs twice: 2 of 2, at index 0 (id 1), 1 (id 1)"),
        (
            {"annotations": [{"id": number} for number in range(1200)]},
            "annotations without image_id: 1,200 of 1,200, "
            "at index 0 (id 0), 1 (id 1), 2 (id 2), 3 (id 3), 4 (id 4), ...",
        ),
        ({"categories": [{"id": 3}]}, "categories without name: 1 of 1, at index 0 (id 3)"),
        ({"categories": [{"name": "plate"}]}, "categories without id: 1 of 1, at index 0"),
        *(
            (
                {"categories": [CATEGORY | {"name": name}]},
                "categories whose name is not a name: 1 of 1, at index 0 (id 3)",
            )
            for name in (None, "", "  ", "a\nb", "a\0b")
        ),
        ({"categories": [CATEGORY, CATEGORY | {"name": "other"}]}, "categories whose id occurs twice: 2 of 2"),
        (
            {"categories": [CATEGORY, CATEGORY | {"id": 4}]},
            "categories whose name occurs twice (rename one, or remove those without annotations): 2 of 2, "
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

    kinds = ("without id", "without file_name", "whose bbox is not", "categories that are not objects", "plates run")
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
        ("", "cannot be read as COCO JSON: it is empty"),
        (" \n", "cannot be read as COCO JSON: it is empty"),
        ('{"images": [], "annotations": [], "annotations": []}', "an object has more than one 'annotations'"),
        ('{"images": [{"id": 3, "width": 720, "width": 72}]}', r"an object \(id 3\) has more than one 'width'"),
        ("[" * 100_000, "cannot be read as COCO JSON"),
        ('{"images": [], "annotations": [], "categories": []}', "is not COCO JSON: images is an empty list"),
    ],
)
def test_other_json_is_named(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    for read in (from_coco, categories):
        with pytest.raises(UserError, match=f"^{re.escape(str(file))} .*{said}.* Name another file"):
            read(file)
        with pytest.raises(UserError, match="cannot be read as COCO JSON"):
            read(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({"images": [{"id": 7, "file_name": "a.jpg"}]}, ["subset", "path", "class"], ["data.root", "a.jpg", "plate"]),
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
        ({"categories": [{"id": 3, "name": " plate\n"}]}, ["class"], ["plate"]),
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

    assert (imported.crowds, len(imported.crowded), imported.polygons) == (1, 1, 0)
    assert imported.labels.empty


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_other_encodings_of_unicode_are_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "wide.json").write_text(json.dumps(small(), ensure_ascii=False), encoding=encoding)

    assert len(from_coco(tmp_path / "wide.json").labels) == 1


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    for place in (tmp_path / "pipe.json", tmp_path):
        with pytest.raises(UserError, match=r"cannot be read as COCO JSON: not a regular file\. Name another file"):
            from_coco(place)
