"""What is taken out of an ONNX graph changes no number, and what is needed stays."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, parser

from plates.efficientdet.inference import equal_bytes, lean_onnx

NORMALISED = """
    less = Sub(images, mean)
    normal = Mul(less, scale)
    planes = Transpose <perm = [0, 3, 1, 2]> (normal)
    fine = Conv <pads = [1, 1, 1, 1]> (planes, stem)
"""
GATED = """
    pooled = GlobalAveragePool(fine)
    same = Reshape(pooled, one_cell)
    reduced = Conv(same, square)
    gate = Sigmoid(reduced)
    gated = Mul(fine, gate)
"""
UPSAMPLED = """
    coarse = MaxPool <kernel_shape = [2, 2], strides = [2, 2], pads = [0, 0, 1, 1]> (gated)
    weighed = Mul(coarse, weight)
    last = Transpose <perm = [0, 2, 3, 1]> (weighed)
    cells = Reshape(last, to_cells)
    sides = Shape(weighed)
    count = Gather(sides, first)
    shape = Concat <axis = 0> (count, doubled)
    wide = Expand(cells, shape)
    joined = Reshape(wide, to_pixels)
    cut = Slice(joined, start, end, axes)
    twice = Transpose <perm = [0, 3, 1, 2]> (cut)
    sum = Add(gated, twice)
"""
HEADS = """
    a = Conv(sum, head)
    b = Conv(coarse, head)
    a_last = Transpose <perm = [0, 2, 3, 1]> (a)
    b_last = Transpose <perm = [0, 2, 3, 1]> (b)
    a_flat = Reshape(a_last, to_rows)
    b_flat = Reshape(b_last, to_rows)
    logits = Concat <axis = 1> (a_flat, b_flat)
    scores = Sigmoid(logits)
"""


PATTERNS = NORMALISED + GATED + UPSAMPLED + HEADS


def graph(path: Path, outputs: str = "float[batch, rows, 2] scores", body: str = PATTERNS) -> Path:
    """Writes a network of 5x7 pixels with each of the patterns, in tf2onnx's order of dimensions."""
    text = f"""<ir_version: 8, opset_import: ["" : 15]>
        network (float[batch, 5, 7, 3] images) => ({outputs}) {{{body}}}"""
    model = parser.parse_model(text)
    random = np.random.default_rng(0)
    constants = {
        "mean": np.array([120, 110, 100], np.float32),
        "scale": np.array([0.017, 0.018, 0.019], np.float32),
        "stem": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "square": random.normal(size=(4, 4, 1, 1)).astype(np.float32),
        "weight": np.array(0.7, np.float32),
        "head": random.normal(size=(6, 4, 1, 1)).astype(np.float32),
        "one_cell": np.array([-1, 4, 1, 1]),
        "to_cells": np.array([-1, 3, 1, 4, 1, 4]),
        "first": np.array([0]),
        "doubled": np.array([3, 2, 4, 2, 4]),
        "to_pixels": np.array([-1, 6, 8, 4]),
        "start": np.array([0, 0]),
        "end": np.array([5, 7]),
        "axes": np.array([1, 2]),
        "to_rows": np.array([0, -1, 2]),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def answers(path: Path, images: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})


def kinds(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def simplified(path: Path) -> Counter[str]:
    lean_onnx.simplify(path)
    equal_bytes.onnx_model(path)
    return kinds(path)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_numbers_stay_and_the_waste_goes(tmp_path: Path, batch: int) -> None:
    path = graph(tmp_path / "model.onnx")
    images = np.random.default_rng(1).integers(0, 255, (batch, 5, 7, 3)).astype(np.float32)
    expected = answers(path, images)
    found = simplified(path)
    np.testing.assert_allclose(answers(path, images)[0], expected[0], atol=1e-5)
    assert not {"Expand", "Shape", "Gather"} & set(found)
    assert (found["Resize"], found["Slice"]) == (1, 1)
    assert found["Reshape"] == 3  # the pixels', and one of each level
    assert found["Transpose"] == 2  # one of each level
    assert found["Mul"] == 1  # the gate's
    assert found["Sigmoid"] == 3  # the gate's, and one of each level


@pytest.mark.parametrize(
    ("how", "transposed"),
    [
        ("strides = [2, 2], pads = [0, 0, 1, 1]", 0),
        ("strides = [1, 2], pads = [2, 1, 0, 1]", 0),
        ("dilations = [2, 2], pads = [2, 2, 2, 2]", 1),
        ('auto_pad = "SAME_UPPER"', 1),
    ],
)
def test_the_first_convolution_steps_by_pixels(tmp_path: Path, how: str, transposed: int) -> None:
    path = graph(tmp_path / "model.onnx", "float[batch, 4, h, w] fine", NORMALISED.replace("pads = [1, 1, 1, 1]", how))
    images = np.random.default_rng(1).integers(0, 255, (2, 5, 7, 3)).astype(np.float32)
    expected = answers(path, images)
    found = simplified(path)
    np.testing.assert_allclose(answers(path, images)[0], expected[0], atol=1e-4)
    assert found["Transpose"] == transposed


def test_what_something_else_uses_stays(tmp_path: Path) -> None:
    outputs = "float[batch, rows, 2] scores, float[batch, rows, 2] logits, float[batch, 4, 1, 1] same"
    path = graph(tmp_path / "model.onnx", outputs)
    images = np.random.default_rng(1).integers(0, 255, (2, 5, 7, 3)).astype(np.float32)
    expected = answers(path, images)
    found = simplified(path)
    for one, other in zip(answers(path, images), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    assert found["Sigmoid"] == 2
    assert found["Reshape"] == 4
