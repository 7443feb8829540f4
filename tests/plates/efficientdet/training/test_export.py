"""A toy detector from training to its exported formats: the same numbers everywhere."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import toy
from PIL import Image
from pycocotools import mask as rle

from plates.columns import BOX
from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.config import ExportConfig, NmsConfig
from plates.efficientdet.data.tfrecords.example import Example
from plates.efficientdet.evaluation import metrics
from plates.efficientdet.inference.export import agreement, export
from plates.efficientdet.inference.exported import ExportedModel, draw
from plates.efficientdet.inference.photograph import ORIENTATION, Photograph
from plates.efficientdet.inference.predict import _answers, predict
from plates.efficientdet.inference.predictor import Predictor, detect
from plates.errors import UserError
from plates.hashes import content_hash
from plates.pages.drawing import ORANGE

NMS = NmsConfig()


def jpeg(pixels: np.ndarray, size: tuple[int, int] | None = None) -> bytes:
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.resize(size) if size else image).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def detector(run) -> saved_detector.SavedDetector:
    return saved_detector.load(run[0].checkpoint)


@pytest.fixture(scope="module")
def exported(detector, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "model"
    config = ExportConfig(formats=["saved_model", "onnx", "litert"], score_threshold=0.05)
    export(detector, NMS, config, folder)
    return folder


def png(encoded: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(encoded)) as image:
        image.save(buffer, "PNG")
    return buffer.getvalue()


def examples(scale: int = 1) -> list[Example]:
    made = []
    for images, targets in toy.batches(2):
        for pixels, box, number in zip(images, targets["gt_boxes"], targets["image_id"], strict=True):
            ymin, xmin, ymax, xmax = box[0] * scale
            side = toy.SIDE * scale
            made.append(
                Example(
                    str(number), f"base/{number}.jpg", side, side, jpeg(pixels, (side, side)), "",
                    np.array([[xmin, ymin, xmax, ymax]]), np.array([1]), ["plate"], np.zeros(1, bool), None,
                )
            )  # fmt: skip
    return made


def ground_truth(examples: list[Example]) -> pd.DataFrame:
    rows = [(int(example.image_id), "plate", *example.boxes[0]) for example in examples]
    return pd.DataFrame(rows, columns=["image_id", "class", *BOX])


@pytest.mark.parametrize("scale", [1, 3])
def test_detections_are_in_pixels_of_the_original(detector, scale):
    pictures = examples(scale)
    found = detect(Predictor(detector.network, detector.spec, NMS), pictures)
    score = metrics.evaluate(found, ground_truth(pictures), detector.label_map).metrics
    assert score.mAP50 > 0.9
    assert found.dtypes.astype(str).to_dict() == {
        "image_id": "int64", "path": "str", "class": "int32", "score": "float32",
        "xmin": "float32", "ymin": "float32", "xmax": "float32", "ymax": "float32",
    }  # fmt: skip
    assert set(found["path"]) <= {example.path for example in pictures}


def test_masks_are_learnt(detector):
    images, targets = toy.batches(1, mask=True)[0]
    logits = detector.network.predict_on_batch(images)["segmentation"]
    assert metrics.mask_iou(metrics.confusion(targets["mask"], logits))[1] > 0.6


def test_every_format_agrees_with_the_checkpoint(detector, exported):
    differences = agreement(detector, exported, [example.encoded for example in examples(3)[:4]])
    assert set(differences) == {"saved_model", "onnx", "litert"}
    for outputs in differences.values():
        assert max(outputs.values()) < 2e-5
    assert set(differences["onnx"]) == {"boxes", "scores", "masks"}


def test_equal_models_are_equal_bytes(detector, exported, tmp_path):
    """Exported again by the same process, whose counters have moved on; nothing beside says when that was."""
    export(detector, NMS, ExportConfig(formats=["saved_model", "onnx"], score_threshold=0.05), tmp_path / "again")
    for name in ("saved_model", "model.onnx"):
        assert content_hash(tmp_path / "again" / name) == content_hash(exported / name)


def test_agreement_notices_other_weights(detector, tmp_path):
    config = ExportConfig(formats=["onnx"])
    export(detector, NMS, config, tmp_path / "model")
    weights = detector.network.get_weights()
    detector.network.set_weights([weight * 1.01 for weight in weights])
    differences = agreement(detector, tmp_path / "model", [example.encoded for example in examples()[:2]])
    detector.network.set_weights(weights)
    assert differences["onnx"]["scores"] > 1e-4


def test_saved_model_answers_for_one_file_and_for_many_of_any_size(exported):
    import tensorflow as tf

    signatures = tf.saved_model.load(str(exported / "saved_model")).signatures
    files = [examples(1)[0].encoded, examples(3)[1].encoded]
    many = signatures["serving_default"](images=tf.constant(files))
    one = signatures["single"](image=tf.constant(files[1]))
    assert many["boxes"].shape == (2, 100, 4)
    np.testing.assert_allclose(one["boxes"], many["boxes"][1], atol=1e-3)
    assert one["valid_len"] == many["valid_len"][1]
    names = json.loads((exported / "saved_model" / "assets.extra" / "label_map.json").read_text())
    assert names == {"1": "plate"}


def test_predicting_files_gives_json_and_pictures(exported, tmp_path):
    files = []
    for example in examples(3)[:3]:
        files.append(tmp_path / f"{example.image_id}.jpg")
        files[-1].write_bytes(example.encoded)
    model = ExportedModel(exported)
    predictions = list(model.predict(files, min_score=0.3))
    json.dumps(predictions)
    assert [prediction["image"] for prediction in predictions] == [str(file) for file in files]
    best = predictions[0]["detections"][0]
    assert best["name"] == "plate"
    expected = examples(3)[0].boxes[0]
    assert [best[edge] for edge in BOX] == pytest.approx(expected, abs=12)
    (mask,) = predictions[0]["masks"]
    pixels = rle.decode({key: mask[key] for key in ("size", "counts")})
    inside = pixels[int(expected[1]) : int(expected[3]), int(expected[0]) : int(expected[2])]
    assert pixels.shape == (examples(3)[0].height, examples(3)[0].width)
    assert inside.mean() > 0.7
    assert inside.sum() > 0.7 * pixels.sum()
    draw(predictions[0], tmp_path / "drawn.png")
    with Image.open(tmp_path / "drawn.png") as drawn, Image.open(files[0]) as original:
        assert drawn.size == original.size
        assert (np.asarray(drawn) == ORANGE).all(axis=-1).any()


def test_every_file_has_an_answer_or_one_line_of_error(exported, tmp_path):
    """The files of a batch that cannot be answered do not take the others with them."""
    whole = examples(3)[0].encoded
    contents = {"whole.jpg": whole, "cut.jpg": whole[: len(whole) // 2], "text.jpg": b"no picture", "empty.jpg": b""}
    contents["wide.jpg"] = jpeg(np.full((10, 4000, 3), 90, np.uint8))
    contents["tall.jpg"] = jpeg(np.full((3000, 8, 3), 90, np.uint8))
    contents["png.jpg"] = png(examples(1)[0].encoded)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "pipe.jpg").mkdir()
    names = ["gone.jpg", *contents, "pipe.jpg"]
    found = list(ExportedModel(str(exported)).predict([str(tmp_path / name) for name in names]))
    answers = {Path(one["image"]).name: one for one in found}
    assert list(answers) == names
    errors = {name: one["error"] for name, one in answers.items() if "error" in one}
    assert errors.keys() == {"gone.jpg", "cut.jpg", "text.jpg", "empty.jpg", "png.jpg", "pipe.jpg"}
    assert all(name in error and "\n" not in error for name, error in errors.items())
    assert "No such file" in errors["gone.jpg"]
    assert "is damaged" in errors["cut.jpg"]
    assert "is not a JPEG but a PNG" in errors["png.jpg"]
    assert len(answers["whole.jpg"]["detections"]) >= 1
    assert (answers["wide.jpg"]["width"], answers["wide.jpg"]["height"]) == (4000, 10)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_photographs_are_answered_as_a_viewer_shows_them(exported, tmp_path, orientation):
    """The picture is stored as each EXIF orientation asks: the answer is that of the upright one, and says so."""
    example = examples(3)[0]
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the Transpose that undoes what a viewer does
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    with Image.open(io.BytesIO(example.encoded)) as upright:
        stored = upright.transpose(Image.Transpose(back[orientation]))
        stored.save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    (tmp_path / "upright.jpg").write_bytes(example.encoded)
    model = ExportedModel(exported)
    turned, expected = model.predict([tmp_path / "turned.jpg", tmp_path / "upright.jpg"])
    assert turned["exif_orientation"] == orientation
    assert "exif_orientation" not in expected
    ours, theirs = (list(one["detections"][0].values())[2:] for one in (turned, expected))
    assert ours == pytest.approx(theirs, abs=2)


def test_a_batch_of_unusable_files_asks_the_model_nothing(tmp_path):
    """Neither before the model is loaded nor after."""
    (tmp_path / "whole.jpg").write_bytes(examples(1)[0].encoded)

    class Model:
        def answer(self, photographs, min_score):
            assert photographs
            return [{"image": photograph.path} for photograph in photographs]

    files = [tmp_path / name for name in ("gone.jpg", "whole.jpg", "also_gone.jpg")]
    found = list(predict(files, Model, batch_size=1))
    assert ["error" in one for one in found] == [True, False, True]


def test_a_batch_that_tensorflow_refuses_is_answered_one_by_one():
    class Model:
        def answer(self, photographs, min_score):
            if any(photograph.path == "bad.jpg" for photograph in photographs):
                raise UserError("bad.jpg cannot be computed")
            return [{"image": photograph.path} for photograph in photographs]

    photographs = [Photograph(name, b"", 1, 1) for name in ("a.jpg", "bad.jpg", "c.jpg")]
    found = _answers(Model(), photographs, 0)
    assert found == [
        {"image": "a.jpg"},
        {"image": "bad.jpg", "error": "bad.jpg cannot be computed"},
        {"image": "c.jpg"},
    ]


def test_a_folder_that_is_not_an_exported_model_is_named(exported, tmp_path):
    with pytest.raises(UserError, match="No exported SavedModel"):
        ExportedModel(tmp_path)
    shutil.copytree(exported, tmp_path / "model")
    (tmp_path / "model/saved_model/saved_model.pb").write_bytes(b"half a graph")
    with pytest.raises(UserError, match="is damaged or not of this project"):
        ExportedModel(tmp_path / "model")
