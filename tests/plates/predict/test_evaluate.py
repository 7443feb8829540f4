"""A toy scored on the pictures that it learnt, through their COCO annotations."""

import doctest
import json
from pathlib import Path

import pytest
from PIL import Image

import plates
from plates.errors import UserError
from plates.photographs.header import ORIENTATION
from plates.predict import evaluate

Boxes = dict[Path, tuple[float, float, float, float]]


@pytest.fixture(scope="module")
def annotations(toy_photographs: Boxes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COCO's JSON of the toy's photographs, all but the first with corners."""
    images, boxes = [], []
    for number, (file, (xmin, ymin, xmax, ymax)) in enumerate(toy_photographs.items(), 1):
        images.append({"id": number, "file_name": file.name, "width": 192, "height": 192})
        box = [xmin, ymin, xmax - xmin, ymax - ymin]
        outline = [xmin, ymin, xmax, ymin, xmax, ymax, xmin, ymax]
        corners = {"segmentation": [outline]} if number > 1 else {}
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": box, **corners})
    file = tmp_path_factory.mktemp("labels") / "coco.json"
    categories = [{"id": 1, "name": "plate"}]
    file.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return file


@pytest.fixture(scope="module")
def scores(exported: Path, toy_photographs: Boxes, annotations: Path) -> plates.Scores:
    return plates.evaluate(exported, next(iter(toy_photographs)).parent, annotations)


def test_the_figures_are_those_of_a_projects_evaluation(scores: plates.Scores, toy_photographs: Boxes) -> None:
    figures = json.loads(json.dumps(scores.figures))
    assert figures["mAP50"] > 0.9
    assert figures["mAP"] <= figures["mAP50"]
    assert figures["images"] == figures["boxes"] == len(toy_photographs)
    assert figures["thresholds"]["promise"]["threshold"] == 0.1
    assert figures["thresholds"]["promise"]["scored"]["recall"] > 0.9
    assert figures["errors"]["kinds"]
    assert set(figures["intervals"]) >= {"mAP", "mAP50", "corner_iou"}
    assert 0.5 < figures["corner_iou"] < 1
    assert 0 < figures["corner_error_px"] < 20
    assert figures["boxes_without_corners"] == 1
    assert scores.left_out == {}


def test_the_report_is_one_page_with_the_worst_pictures(scores: plates.Scores, tmp_path: Path) -> None:
    scores.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert f"on {len(scores.truth)} photographs" in page
    assert "data:image" in page
    assert "Thresholds" in page
    assert "1 of 8 boxes have no usable corners" in page


def test_the_example_in_the_documentation_is_true(exported: Path, toy_photographs: Boxes, annotations: Path) -> None:
    folder = str(next(iter(toy_photographs)).parent)
    names = {"plates": plates, "folder": str(exported), "labelled": folder, "annotations": str(annotations)}
    assert doctest.testmod(evaluate, extraglobs=names) == (0, 2)


def test_a_folder_without_labels_is_named(exported: Path, toy_photographs: Boxes) -> None:
    with pytest.raises(UserError, match=r"8 cannot be used.* its name is not a CCPD label"):
        plates.evaluate(exported, next(iter(toy_photographs)).parent)


def test_other_formats_and_turned_pictures_are_scored_as_well(
    exported: Path, toy_photographs: Boxes, annotations: Path, scores: plates.Scores, tmp_path: Path
) -> None:
    content = json.loads(annotations.read_text())
    for entry, file in zip(content["images"], toy_photographs, strict=True):
        entry["file_name"] = f"{file.stem}.png"
        Image.open(file).save(tmp_path / entry["file_name"])
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content["images"][0] |= {"file_name": "turned.jpg", "height": 200}  # not square: the size tells how it was labelled
    upright = Image.new("RGB", (192, 200))
    upright.paste(Image.open(next(iter(toy_photographs))))
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (tmp_path / "labels.json").write_text(json.dumps(content))
    found = plates.evaluate(exported, tmp_path, tmp_path / "labels.json")
    assert found.left_out == {}
    assert found.figures["mAP50"] == pytest.approx(scores.figures["mAP50"], abs=0.15)


def test_photographs_with_labels_that_cannot_be_theirs_are_left_out(
    exported: Path, toy_photographs: Boxes, annotations: Path
) -> None:
    folder, content = next(iter(toy_photographs)).parent, json.loads(annotations.read_text())
    first, second, third, *others = content["annotations"]
    first["bbox"][2] = 0.5
    second["bbox"][0] = 185.0
    third["bbox"][:2] = [-0.9, -0.9]
    content["annotations"] = [*content["annotations"], others[-1] | {"id": 99, "iscrowd": 1}]
    file = annotations.with_name("impossible.json")
    file.write_text(json.dumps(content))
    found, left_out = evaluate.labels(folder, file, {1: "plate"})
    names = [path.name for path in toy_photographs]
    assert left_out == {
        names[0]: "a box is less than a pixel wide or high",
        names[1]: "a box extends past the edge of the picture",
        names[-1]: "it has a crowd, whose objects have no box",
    }
    assert set(found["path"]) == set(names[2:-1])
    assert found.loc[found["path"] == names[2], ["xmin", "ymin"]].to_numpy().tolist() == [[0, 0]], "cut, not left out"


def test_a_resized_photograph_with_a_name_of_ccpd_is_left_out(tmp_path: Path) -> None:
    label = "025-95_113-154&383_386&473-386&473_177&454_154&383_363&402-0_0_22_27_27_33_16-37-15"
    Image.new("RGB", (720, 1160)).save(tmp_path / f"{label}.jpg")
    Image.new("RGB", (360, 580)).save(tmp_path / f"{label.replace('025', '026')}.jpg")
    found, left_out = evaluate.labels(tmp_path, None, {1: "license_plate"})
    assert found["path"].tolist() == [f"{label}.jpg"]
    assert left_out == {
        f"{label.replace('025', '026')}.jpg": "its name is the label of a picture of 720x1160 px, it is 360x580"
    }
