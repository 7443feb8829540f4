"""ONNX files as other tools write them, whose answer is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64


def network(file: Path, answers: dict[str, np.ndarray], shape: tuple[Any, ...] = (1, 3, SIDE, SIDE)) -> Path:
    """Writes an ONNX file that answers the same to every picture: each output is `answers` [A, n] for one picture."""
    nodes, outputs = [], []
    for name, value in answers.items():
        constant = numpy_helper.from_array(value[None], f"{name}_value")
        nodes.append(helper.make_node("Constant", [], [name], value=constant))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *value.shape)))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "another tool's", [images], outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    return file


def adapter(file: Path, **fields: Any) -> Path:
    """Writes the file beside it."""
    file.with_suffix(".json").write_text(json.dumps({"label_map": {"1": "plate"}, **fields}), encoding="utf-8")
    return file
