"""ONNX files of other tools in the forms that they have, on a network whose answer is known."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_networks import SIDE, adapter, network
from onnx import TensorProto, helper, numpy_helper

import plates
from plates.errors import UserError

XYXY = np.array([[8, 16, 40, 32], [9, 16, 40, 32], [2, 2, 10, 8]], np.float32)
"""In pixels of the input; the second is the first again."""
SCORES = np.array([[0.9], [0.6], [0.3]], np.float32)
PICTURE = np.zeros((128, 128, 3), np.uint8)


CENTRES = np.concatenate([(XYXY[:, :2] + XYXY[:, 2:]) / 2, XYXY[:, 2:] - XYXY[:, :2]], axis=1)
FORMS: dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]] = {
    "two outputs, corners": ({"b": XYXY, "s": SCORES}, {"boxes": "b", "scores": "s"}),
    "two outputs, y first, shares": (
        {"b": XYXY[:, [1, 0, 3, 2]] / SIDE, "s": SCORES},
        {"boxes": "b", "scores": "s", "form": "yxyx", "unit": "shares"},
    ),
    "one output, boxes last": (
        {"output0": np.concatenate([CENTRES, SCORES], axis=1).T.copy()},
        {"boxes": "output0", "form": "cxcywh"},
    ),
    "one output, score and class": (
        {"output0": np.concatenate([XYXY, SCORES, np.zeros((3, 1), np.float32)], axis=1)},
        {"boxes": "output0", "row": "score_class"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_boxes_come_out_in_pixels_of_the_picture(form: str, tmp_path: Path) -> None:
    answers, fields = FORMS[form]
    model = plates.load(adapter(network(tmp_path / "other.onnx", answers), **fields))
    (found,) = model.predict(PICTURE, score=0.1)
    np.testing.assert_allclose(found.xyxy, XYXY[[0, 2]] * 2)  # the picture is twice as large; the repeated box is gone
    np.testing.assert_allclose(found.scores, [0.9, 0.3])
    assert found.names == ["plate", "plate"]


def test_a_network_with_nms_inside_keeps_all_of_its_boxes(tmp_path: Path) -> None:
    answers, fields = FORMS["two outputs, corners"]
    model = plates.load(adapter(network(tmp_path / "other.onnx", answers), **fields, nms=None))
    assert len(model.predict([PICTURE, PICTURE], score=0.1)[1]) == 3


def test_pixels_reach_the_network_as_it_was_trained(tmp_path: Path) -> None:
    """The mean of each channel of a red picture comes out as the box."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, SIDE, SIDE))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node(
            "Constant", [], ["rest"], value=numpy_helper.from_array(np.array([[1.0, 0.5]], np.float32), "rest_value")
        ),
        helper.make_node("Concat", ["means", "rest"], ["flat"], axis=1),
        helper.make_node(
            "Constant", [], ["shape"], value=numpy_helper.from_array(np.array([1, 1, 5], np.int64), "shape_value")
        ),
        helper.make_node("Reshape", ["flat", "shape"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes, "means", [images], [helper.make_tensor_value_info("out", TensorProto.FLOAT, (1, 1, 5))]
    )
    file = tmp_path / "means.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    red = np.broadcast_to(np.array([255, 51, 0], np.uint8), (SIDE, SIDE, 3)).copy()
    for fields, expected in (
        ({}, [1.0, 0.2, 0.0]),
        ({"channels": "bgr", "divide_by": 1.0}, [0.0, 51.0, 255.0]),
        ({"mean": [0.5, 0.1, 0.0], "std": [0.5, 0.1, 1.0]}, [1.0, 1.0, 0.0]),
    ):
        network = plates.load(adapter(file, boxes="out", **fields))._network
        boxes = network.run(red[None].astype(np.float32))["boxes"][0, 0]
        np.testing.assert_allclose(boxes[[1, 0, 3]], expected, atol=1e-6)


TWO = {"b": XYXY, "s": SCORES}


@pytest.mark.parametrize(
    ("answers", "shape", "fields", "words"),
    [
        (TWO, (1, 3, SIDE, SIDE), None, "has no description.*other.json beside it"),
        (TWO, (1, 3, SIDE, SIDE), {}, r"other.json does not say.*boxes: Field required"),
        (TWO, (1, 3, SIDE, SIDE), {"boxes": "boxes", "scores": "s"}, "has no output boxes; it has b, s"),
        (TWO, (1, 1, SIDE, SIDE), {"boxes": "b", "scores": "s"}, r"takes \[1, 1, 64, 64\], but a detector takes"),
        (TWO, (1, 3, "h", "w"), {"boxes": "b", "scores": "s"}, "pictures of any size: give image_size"),
        ({"b": XYXY, "s": SCORES[:2]}, (1, 3, SIDE, SIDE), {"boxes": "b", "scores": "s"}, r"boxes \[1, 3, 4\] and sco"),
        ({"b": XYXY}, (1, 3, SIDE, SIDE), {"boxes": "b"}, r"returns \[1, 3, 4\] in b, but .*other.json says"),
    ],
)
def test_what_does_not_fit_is_said(
    answers: dict[str, np.ndarray], shape: tuple[Any, ...], fields: dict[str, Any] | None, words: str, tmp_path: Path
) -> None:
    file = network(tmp_path / "other.onnx", answers, shape)
    if fields is not None:
        adapter(file, **fields)
    with pytest.raises(UserError, match=words):
        plates.load(file).predict(PICTURE)
