"""A trained toy, loaded in every way, on pictures of every kind."""

import doctest
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import plates
from plates.columns import BOX, CORNERS
from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.config import NmsConfig
from plates.efficientdet.inference.export import WRITERS
from plates.efficientdet.inference.predictor import Predictor
from plates.efficientdet.inference.runtimes import FILES
from plates.errors import UserError
from plates.pages.drawing import ORANGE
from plates.predict import formats
from plates.predict import load as loading
from plates.predict import model as models

Boxes = dict[Path, tuple[float, float, float, float]]


@pytest.fixture(scope="module")
def model(exported: Path) -> plates.Model:
    return plates.load(exported)


def iou(first: np.ndarray, second: np.ndarray) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared))


def test_boxes_are_in_pixels_of_the_picture(model: plates.Model, toy_photographs: Boxes) -> None:
    results = model.predict(list(toy_photographs))
    assert [result.source for result in results] == [str(file) for file in toy_photographs]
    overlaps = [
        iou(result.xyxy[0], np.array(box)) for result, box in zip(results, toy_photographs.values(), strict=True)
    ]
    assert np.median(overlaps) > 0.7
    edges = np.array(list(toy_photographs.values()))
    corners = edges[:, [[2, 3], [0, 3], [0, 1], [2, 1]]]
    distances = np.linalg.norm([result.corners[0] for result in results] - corners, axis=-1)
    assert np.median(distances) < 0.2 * np.median(edges[:, 3] - edges[:, 1])


def test_no_box_reaches_outside_the_picture(exported: Path, checkpoint: Path, toy_photographs: Boxes) -> None:
    """A plate at the edge of a picture narrower than the network's input: padding is beside it."""
    file, (left, _, right, _) = next(iter(toy_photographs.items()))
    with Image.open(file) as image:
        cut = image.crop((0, 0, int(left + 0.7 * (right - left)), image.height))
        buffer = io.BytesIO()
        cut.save(buffer, "JPEG", quality=95)
    for model in (plates.load(exported), plates.load(checkpoint), plates.load(exported, format="saved_model")):
        (result,) = model.predict(buffer.getvalue(), score=0.0)
        assert len(result)
        assert result.xyxy.max(axis=0)[2] <= cut.width
        assert result.xyxy.max(axis=0)[3] <= cut.height
    saved = saved_detector.load(checkpoint)
    found = Predictor(saved.network, saved.spec, NmsConfig()).from_jpegs(tf.constant([buffer.getvalue()]))
    boxes = found["boxes"].numpy()[0, : found["valid_len"].numpy()[0]]
    assert boxes[:, 3].max() == cut.width


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_and_the_checkpoint_find_the_same(
    name: str, model: plates.Model, exported: Path, checkpoint: Path, toy_photographs: Boxes
) -> None:
    files = list(toy_photographs)[:3]
    other = plates.load(exported, format=name)
    assert other.format == name
    for expected, found in zip(model.predict(files), other.predict(files), strict=True):
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.5)
        np.testing.assert_allclose(found.corners, expected.corners, atol=0.5)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)


def test_it_finds_what_the_checkpoint_and_the_saved_model_find_in_the_files(
    model: plates.Model, exported: Path, checkpoint: Path, toy_photographs: Boxes
) -> None:
    import tensorflow as tf

    files = list(toy_photographs)[:4]
    checkpoint = plates.load(checkpoint).predict(files, score=0.05)
    served = tf.saved_model.load(str(exported / FILES["saved_model"])).signatures["serving_default"](
        images=tf.constant([file.read_bytes() for file in files])
    )
    for index, (found, expected) in enumerate(zip(model.predict(files), checkpoint, strict=True)):
        count = int(served["valid_len"][index])
        assert len(found) == len(expected) == count > 0
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.5)
        np.testing.assert_allclose(found.xyxy, served["boxes"].numpy()[index, :count][:, [1, 0, 3, 2]], atol=0.5)
        np.testing.assert_allclose(found.scores, served["scores"].numpy()[index, :count], atol=1e-3)


def test_whatever_holds_the_pixels_the_answer_is_the_same(model: plates.Model, toy_photographs: Boxes) -> None:
    file = next(iter(toy_photographs))
    (expected,) = model.predict(file)
    image = Image.open(file).convert("RGB")
    png = io.BytesIO()
    image.save(png, "PNG")
    ways = [str(file), file.read_bytes(), image, np.asarray(image), png.getvalue()]
    for result in model.predict(ways):
        np.testing.assert_allclose(result.xyxy[0], expected.xyxy[0], atol=1.5)  # another transform decodes
    assert len(model.predict(file.parent)) == len(toy_photographs)
    assert len(model.predict(np.stack([np.asarray(image)] * 3), batch=2)) == 3
    assert model.predict([]) == []


def test_a_turned_photograph_is_answered_in_pixels_of_the_upright_one(
    model: plates.Model, toy_photographs: Boxes, tmp_path: Path
) -> None:
    file = next(iter(toy_photographs))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(file).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "t.jpg", exif=exif, quality=95)
    (turned,), (upright,) = model.predict(tmp_path / "t.jpg"), model.predict(file)
    assert turned.picture.turned
    np.testing.assert_allclose(turned.xyxy[0], upright.xyxy[0], atol=2)


@pytest.mark.parametrize("shape", [(10, 4000, 3), (3000, 8, 3), (1, 1, 3)])
def test_a_picture_of_any_shape_is_answered(model: plates.Model, shape: tuple[int, ...]) -> None:
    (result,) = model.predict(np.zeros(shape, np.uint8))
    assert result.masks is not None
    assert result.masks.shape == shape[:2]


def test_a_damaged_file_is_named_and_the_others_are_answered(
    model: plates.Model, toy_photographs: Boxes, tmp_path: Path
) -> None:
    good, other = list(toy_photographs)[:2]
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:-300])
    asked = [good, tmp_path / "cut.jpg", tmp_path / "gone.jpg", other]
    said: list[str] = []
    results = list(model.stream(asked, on_error=lambda source, error: said.append(str(error))))
    assert [result.source for result in results] == [str(good), str(other)]
    assert len(said) == 2
    assert any("cut.jpg is damaged" in line for line in said)
    assert any("gone.jpg cannot be read: No such file" in line for line in said)
    with pytest.raises(UserError, match=r"cut\.jpg is damaged"):
        model.predict(asked[:2])


def test_a_score_is_a_number_or_a_name(model: plates.Model, toy_photographs: Boxes) -> None:
    file = next(iter(toy_photographs))
    for least in (0.0, 0.3, 0.9):
        assert all((result.scores >= least).all() for result in model.predict(file, score=least))
    assert len(model.predict(file, score=0.0)[0]) > len(model.predict(file)[0])
    with pytest.raises(UserError, match="no threshold 'best'; it has default, promise"):
        model.predict(file, score="best")
    with pytest.raises(UserError, match="between 0 and 1"):
        model.predict(file, score=30)


def test_a_result_speaks_every_form(model: plates.Model, toy_photographs: Boxes) -> None:
    file = next(iter(toy_photographs))
    (result,) = model.predict(file)
    assert result.names[0] == "plate"
    assert repr(result).startswith(f"<Result {file}: plate 0.")
    spoken = json.loads(json.dumps(result.to_dict()))
    first = spoken["detections"][0]
    assert [first[edge] for edge in BOX] == pytest.approx(result.xyxy[0], abs=0.05)
    assert first["corners"] == pytest.approx(result.corners[0].ravel(), abs=0.051)
    assert result.to_coco()[0]["segmentation"] == [first["corners"]]
    assert spoken["masks"][0]["size"] == [result.picture.height, result.picture.width]
    (x, y, width, height) = result.to_coco(7)[0]["bbox"]
    assert [x, y, x + width, y + height] == pytest.approx(result.xyxy[0], abs=0.11)
    np.testing.assert_allclose(result.normalized * result.picture.width, result.xyxy, rtol=1e-5)
    table = result.to_pandas()
    assert list(table["score"]) == result.scores.tolist()
    assert table.loc[0, CORNERS].to_list() == result.corners[0].ravel().tolist()
    detections = result.to_supervision()
    assert len(detections) == len(result)
    assert detections.data["class_name"][0] == "plate"
    fewer = result.over(0.99)
    assert len(fewer.corners) == len(fewer) <= len(result)


def test_a_model_without_corners_has_no_columns_of_them_and_no_outlines(
    model: plates.Model, toy_photographs: Boxes, tmp_path: Path
) -> None:
    (result,) = model.predict(next(iter(toy_photographs)))
    plain = replace(result, corners=None)
    for one, columns in ((result, (*formats.COLUMNS, *CORNERS)), (plain, formats.COLUMNS)):
        stream = io.StringIO()
        assert list(formats.table([one], stream)) == [one]
        assert stream.getvalue().splitlines()[0] == ",".join(columns)
    with pytest.raises(UserError, match="finds no corners: predict with --format yolo"):
        list(formats.yolo([plain], tmp_path, model.label_map, obb=True))


def test_a_result_is_drawn_cropped_and_hidden(model: plates.Model, toy_photographs: Boxes) -> None:
    (result,) = model.predict(next(iter(toy_photographs)), score=0.5)
    before = result.picture.pixels.copy()
    assert (np.asarray(result.draw()) == ORANGE).all(axis=-1).any()
    left, top, right, bottom = result.xyxy[0]
    assert result.crop()[0].size == pytest.approx((right - left, bottom - top), abs=2)
    hidden = np.asarray(replace(result, corners=None).hide("fill", margin=0.0))
    inside = hidden[int(top) + 1 : int(bottom), int(left) + 1 : int(right)]
    assert (inside == inside[0, 0]).all()
    outside = np.ones(hidden.shape[:2], bool)
    for box in result.xyxy:
        outside[int(box[1]) : int(box[3]) + 1, int(box[0]) : int(box[2]) + 1] = False
    np.testing.assert_array_equal(hidden[outside], before[outside])
    np.testing.assert_array_equal(result.picture.pixels, before)
    fully, partly = (replace(result, corners=corners).hide("fill", 0.0) for corners in (None, result.corners))
    changed = (np.asarray(fully) != np.asarray(partly)).any(axis=-1)
    assert changed.any()
    with pytest.raises(UserError, match="cannot be hidden by 'paint'"):
        result.hide("paint")  # type: ignore[arg-type]


def test_a_model_is_found_by_what_names_it(exported: Path, tmp_path: Path) -> None:
    champion = tmp_path / "champion"
    shutil.copytree(exported, champion / "model")
    assert plates.load(str(champion)).format == "onnx"
    assert plates.load(champion / "model" / FILES["litert"]).format == "litert"
    with pytest.raises(UserError, match="no model at"):
        plates.load(tmp_path / "nowhere")
    (tmp_path / "text.txt").write_text("no model")
    with pytest.raises(UserError, match=r"text\.txt is not a model"):
        plates.load(tmp_path / "text.txt")
    (champion / "model" / FILES["openvino"]).unlink()
    with pytest.raises(UserError, match="no exported openvino in"):
        plates.load(champion, format="openvino")


def test_examples_in_the_documentation_are_true(exported: Path, toy_photographs: Boxes) -> None:
    names = {"plates": plates, "folder": str(exported), "photograph": str(next(iter(toy_photographs)))}
    tried = 0
    for module in (models, loading):
        outcome = doctest.testmod(module, extraglobs=names)
        assert outcome.failed == 0
        tried += outcome.attempted
    assert tried >= 5


def test_an_exported_onnx_answers_without_tensorflow(exported: Path, toy_photographs: Boxes) -> None:
    code = f"""
import sys, plates
for result in plates.load({str(exported / "model.onnx")!r}).predict({str(next(iter(toy_photographs)))!r}):
    result.draw(), result.hide(), result.to_dict()
heavy = {{"tensorflow", "keras", "dagster", "dvc", "matplotlib", "great_expectations"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
