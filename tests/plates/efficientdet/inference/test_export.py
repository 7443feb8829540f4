"""A toy detector from training to its exported formats: the same numbers everywhere."""

import importlib.util
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import tensorflow as tf
import toy
from PIL import Image
from tensorflow.core.framework import tensor_pb2

import plates
from plates.columns import BOX, CORNERS
from plates.efficientdet.checkpoints import saved_detector
from plates.efficientdet.config import ExportConfig, NmsConfig
from plates.efficientdet.data.tfrecords.example import Example
from plates.efficientdet.data.tfrecords.framing import payloads
from plates.efficientdet.evaluation import metrics
from plates.efficientdet.inference import fewer_bits
from plates.efficientdet.inference.agreement import LIMITS, agreement
from plates.efficientdet.inference.description import Description
from plates.efficientdet.inference.export import WRITERS, describe, export
from plates.efficientdet.inference.predictor import Predictor, detect
from plates.efficientdet.inference.runtimes import FILES, open_network
from plates.efficientdet.inference.speed import costs
from plates.efficientdet.inference.warmup import WARMUP
from plates.errors import UserError
from plates.hashes import content_hash

NMS = NmsConfig()


def jpeg(pixels: np.ndarray, size: tuple[int, int] | None = None) -> bytes:
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.resize(size) if size else image).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def detector(checkpoint) -> saved_detector.SavedDetector:
    return saved_detector.load(checkpoint)


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
        **dict.fromkeys((*BOX, *CORNERS), "float32"),
    }  # fmt: skip
    assert set(found["path"]) <= {example.path for example in pictures}


def test_masks_are_learnt(detector):
    images, targets = toy.batches(1, mask=True)[0]
    logits = detector.network.predict_on_batch(images)["segmentation"]
    assert metrics.mask_iou(metrics.confusion(targets["mask"], logits))[1] > 0.6


def test_corners_are_learnt_in_their_order(detector):
    images, targets = toy.batches(1)[0]
    found = Predictor(detector.network, detector.spec, NMS).from_jpegs(tf.constant([jpeg(image) for image in images]))
    distance = np.linalg.norm(found["corners"][:, 0] - targets["gt_corners"][:, 0], axis=-1)
    assert np.median(distance) < 0.2 * np.median(targets["gt_boxes"][:, 0, 2] - targets["gt_boxes"][:, 0, 0])


def jpegs(count: int) -> list[bytes]:
    return [example.encoded for example in examples(3)[:count]]


def test_every_format_agrees_with_the_checkpoint(detector, exported):
    differences = agreement(detector, WRITERS, exported, jpegs(4))
    assert set(differences) == {*WRITERS, "saved_model from files"}
    for outputs in differences.values():
        assert set(outputs) == {"boxes", "scores", "corners", "masks"}
        assert max(outputs["boxes"], outputs["corners"]) < 1e-2
        assert outputs["scores"] < 2e-5
        assert outputs["masks"] < 1e-4


def test_equal_models_are_equal_bytes(detector, exported, tmp_path):
    """Exported again by a process whose counters and settings are others; nothing beside says when that was."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not before.get("disable_meta_optimizer")})
    export(detector, Description.read(exported), ["saved_model", "onnx"], tmp_path / "again")
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": before.get("disable_meta_optimizer", False)}
    )
    for name in ("saved_model", "model.onnx"):
        assert content_hash(tmp_path / "again" / name) == content_hash(exported / name)


@pytest.mark.long
def test_fewer_bits_are_in_the_folder_where_they_pay(detector, exported, tmp_path):
    folder = tmp_path / "model"
    export(detector, Description.read(exported), ["onnx"], folder)
    wanted = ["litert_float16", "litert_int8"] + (["openvino_int8"] if importlib.util.find_spec("nncf") else [])
    came_to = fewer_bits.add(detector, Description.read(folder), wanted, folder, examples(3), examples(3), 1.0)
    assert abs(came_to["litert_float16"].loss) < 0.02
    for name, outcome in came_to.items():
        assert outcome.kept(1.0) == (outcome.ms < outcome.float_ms) == (folder / FILES[name]).exists()
        assert -1 < outcome.loss < 1
        if outcome.kept(1.0):
            assert plates.load(folder, format=name).predict(examples(3)[0].encoded)[0].xyxy.shape[1] == 4
    assert set(costs(folder)) == {"onnx", *(name for name, outcome in came_to.items() if outcome.kept(1.0))}
    assert all(cost.memory > 10 and cost.milliseconds for cost in costs(folder).values())


@pytest.mark.parametrize(("asked", "least"), [(None, 0.65), (0.0, 0.0), (0.8, 0.8)])
def test_evaluation_and_exports_vote_alike(detector, asked, least):
    nms = NmsConfig(voting=asked)
    assert Predictor(detector.network, detector.spec, nms).nms.voting == least
    assert describe(detector, nms, ExportConfig()).nms.voting == least


def test_agreement_notices_other_weights(detector, tmp_path):
    export(detector, describe(detector, NMS, ExportConfig()), ["onnx"], tmp_path / "model")
    weights = detector.network.get_weights()
    detector.network.set_weights([weight * 1.01 for weight in weights])
    differences = agreement(detector, ["onnx"], tmp_path / "model", jpegs(2))
    detector.network.set_weights(weights)
    assert differences["onnx"]["scores"] > LIMITS["scores"]


def test_saved_model_answers_for_one_file_and_for_many_of_any_size(exported):
    signatures = tf.saved_model.load(str(exported / FILES["saved_model"])).signatures
    files = [examples(1)[0].encoded, examples(3)[1].encoded]
    many = signatures["serving_default"](images=tf.constant(files))
    one = signatures["single"](image=tf.constant(files[1]))
    assert many["boxes"].shape == (2, 100, 4)
    np.testing.assert_allclose(one["boxes"], many["boxes"][1], atol=1e-3)
    assert one["valid_len"] == many["valid_len"][1]


def test_the_warm_up_request_is_one_jpeg_for_the_default_signature(exported):
    """Read field by field, as tensorflow_serving/apis has them: PredictionLog.predict_log.request."""
    (log,) = payloads(exported / FILES["saved_model"] / "assets.extra" / WARMUP)
    request = fields(fields(fields(log)[6])[1])
    assert fields(request[1]) == {3: b"serving_default"}
    assert fields(request[2])[1] == b"images"
    proto = tensor_pb2.TensorProto.FromString(fields(request[2])[2])
    (content,) = tf.make_ndarray(proto)
    assert tf.io.decode_jpeg(content).shape == (toy.SIDE, toy.SIDE, 3)


def fields(message: bytes) -> dict[int, bytes]:
    """Fields with a length of a protobuf message, by number."""
    found, at = {}, 0
    while at < len(message):
        number, length, shift, at = message[at] >> 3, 0, 0, at + 1
        while True:
            byte, at = message[at], at + 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found[number], at = message[at : at + length], at + length
    return found


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino"])
def test_a_file_that_leaves_alone_says_what_it_detects(exported, tmp_path, name):
    source = exported / FILES[name]
    for file in source.parent.glob(f"{source.stem}.*"):
        shutil.copy2(file, tmp_path)
    found = open_network(tmp_path / source.name)
    assert found.description == Description.read(exported)
    assert found.description.label_map == {1: "plate"}
    assert found.description.checkpoint == "0123456789abcdef.dir"


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_nms_inside_gives_the_same_detections(exported, suppressing, toy_photographs, name):
    inside = plates.load(suppressing, name)
    network, nms = open_network(exported, "onnx"), inside.description.nms
    outside = plates.Model(replace(network, description=network.description.model_copy(update={"nms": nms})), exported)
    files = list(toy_photographs)[:3]
    for expected, found in zip(outside.predict(files), inside.predict(files), strict=True):
        assert len(found) == len(expected) > 0
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.1)
        np.testing.assert_allclose(found.corners, expected.corners, atol=0.1)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    with pytest.raises(UserError, match=r"returns scores from 0\.05 up"):
        inside.predict(files, score=0.01)


def test_nms_inside_agrees_and_is_the_same_bytes_again(detector, suppressing, tmp_path):
    differences = agreement(detector, ["onnx"], suppressing, jpegs(3))
    assert max(differences["onnx"].values()) < 1e-2
    export(detector, Description.read(suppressing), ["onnx"], tmp_path / "again")
    assert content_hash(tmp_path / "again/model.onnx") == content_hash(suppressing / "model.onnx")


def test_what_was_changed_after_the_export_is_not_loaded(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "model")
    file = tmp_path / "model" / FILES["onnx"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx was changed after it was exported"):
        open_network(tmp_path / "model")
    assert open_network(tmp_path / "model", "litert").format == "litert"
    (tmp_path / "model/hashes.json").unlink()
    with pytest.raises(UserError, match=r"hashes\.json is missing"):
        open_network(tmp_path / "model", "litert")


def test_onnx_is_named_and_takes_any_number_of_pictures(exported):
    model = onnx.load(exported / FILES["onnx"])
    shapes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes["images"] == ["batch", toy.SIDE, toy.SIDE, 3]
    assert shapes["boxes"][0] == shapes["scores"][0] == shapes["corners"][0] == "batch"
    assert {entry.key for entry in model.metadata_props} >= {"label_map", "image_size", "score_threshold", "nms"}


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino", "saved_model"])
def test_several_threads_get_the_answers_of_one(exported, name):
    pictures = [np.random.default_rng(seed).uniform(0, 255, (1, toy.SIDE, toy.SIDE, 3)) for seed in range(12)]
    pictures = [pixels.astype(np.float32) for pixels in pictures]
    alone, shared = open_network(exported, name), open_network(exported, name, threads=1)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(shared.run, pictures))
    for pixels, found in zip(pictures, answers, strict=True):
        for key, expected in alone.run(pixels).items():
            np.testing.assert_allclose(found[key], expected, rtol=1e-4, atol=1e-4)


def test_what_is_no_model_or_damaged_is_named(exported, tmp_path):
    with pytest.raises(UserError, match="no model at"):
        open_network(tmp_path / "gone.onnx")
    with pytest.raises(UserError, match="no exported model in"):
        open_network(tmp_path)
    for name in ("onnx", "litert", "openvino"):
        target = tmp_path / Path(FILES[name]).name
        target.write_bytes((exported / FILES[name]).read_bytes()[:2000])
        with pytest.raises(UserError, match="is damaged, or not a model"):
            open_network(target)
