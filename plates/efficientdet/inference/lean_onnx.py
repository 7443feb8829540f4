"""Takes out of an ONNX graph what costs time and computes nothing; what remains gives the same numbers.

onnxruntime keeps what lies between convolutions in blocks of channels, and whatever has no kernel for these (a reshape,
a product with a constant) makes it reorder all values twice. tf2onnx writes many such operations, since TensorFlow's
channels come last. Each step here knows one pattern and leaves a graph without it alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from plates.efficientdet.inference.equal_bytes import captured

Node = Any


def simplify(path: Path) -> None:
    """Rewrites an ONNX file in place. `equal_bytes.onnx_model` then orders its nodes and drops what is left over."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    graph = Graph(model.graph)
    for step in (_normalise_rows, _drop_reshapes, _resize, _scale_by_convolution, _sigmoid_first):
        step(graph)
    graph.write()
    path.write_bytes(model.SerializeToString())


class Graph:
    """The nodes of an ONNX graph, in any order, and what the steps look up.

    Attributes:
        nodes: of the graph itself, not of the bodies of its loops.
        shapes: of its values by name: numbers, and names of open dimensions.
        constants: by name.
    """

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self._graph = graph
        self._fixed = {value.name for value in graph.output} | captured(graph)
        self.nodes: list[Node] = list(graph.node)
        self.shapes = {
            value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
            for value in (*graph.value_info, *graph.input, *graph.output)
        }
        self.constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}

    def of(self, kind: str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes if node.op_type == kind]

    def only_user(self, name: str) -> Node | None:
        """The node that alone uses a value, which is no output and is in no loop."""
        users = [node for node in self.nodes if name in node.input]
        return users[0] if len(users) == 1 and name not in self._fixed else None

    def after(self, name: str, *kinds: str) -> list[Node]:
        """The nodes of these kinds that follow a value, each the only user of the one before; [] if they differ."""
        found = []
        for kind in kinds:
            node = self.only_user(name)
            if node is None or node.op_type != kind:
                return []
            found.append(node)
            name = node.output[0]
        return found

    def before(self, name: str, *kinds: str, shared: bool = False) -> list[Node]:
        """The nodes of these kinds that make a value, the last first; [] if they differ.

        Each is the only user of the one before, unless they may be `shared`.
        """
        found = []
        for kind in kinds:
            node = next((node for node in self.nodes if name in node.output), None)
            if node is None or node.op_type != kind or not (shared or self.only_user(name)):
                return []
            found.append(node)
            name = node.input[0]
        return found

    def rename(self, old: str, new: str) -> None:
        """Lets the users of a value use another one."""
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]

    def constant(self, name: str, value: np.ndarray) -> str:
        """The name of a new constant."""
        from onnx import numpy_helper

        self._graph.initializer.append(numpy_helper.from_array(value, name))
        self.constants[name] = value
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Adds a node."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def write(self) -> None:
        """Puts the nodes into the graph."""
        copies = [type(node).FromString(node.SerializeToString()) for node in self.nodes]
        self._graph.ClearField("node")
        self._graph.ClearField("value_info")
        self._graph.node.extend(copies)


def _normalise_rows(graph: Graph) -> None:
    """(pixels - mean) * scale, then channels first: rows of width x channels, of which a convolution steps by pixels.

    The mean comes off these rows, the scale is in the convolution's kernel, and no value is moved.
    """
    from onnx import helper

    for transpose in graph.of("Transpose"):
        factors, convolutions = graph.before(transpose.input[0], "Mul", "Sub"), graph.after(transpose.output[0], "Conv")
        if not factors or not convolutions:
            continue
        pixels, convolution = factors[1].input[0], convolutions[0]
        scale, mean, kernel = (graph.constants.get(node.input[1]) for node in (*factors, convolution))
        if scale is None or mean is None or kernel is None or not scale.shape == mean.shape == kernel.shape[1:2]:
            continue
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in convolution.attribute}
        if given.get("dilations", [1, 1]) != [1, 1] or "auto_pad" in given:
            continue
        height, width, channels = graph.shapes[pixels][1:]
        (down, along), (top, left, bottom, right) = given.get("strides", [1, 1]), given.get("pads", [0, 0, 0, 0])
        name = transpose.output[0]
        rows = graph.constant(f"{name}_shape", np.array([0, 1, height, width * channels]))
        kernel = (kernel * scale.reshape(-1, 1, 1)).transpose(0, 2, 3, 1).reshape(len(kernel), 1, kernel.shape[2], -1)
        inputs = [name, graph.constant(f"{name}_kernel", np.ascontiguousarray(kernel)), *convolution.input[2:]]
        for node in (*factors, transpose, convolution):
            graph.nodes.remove(node)
        graph.add("Reshape", [pixels, rows], f"{name}_rows")
        graph.add("Sub", [f"{name}_rows", graph.constant(f"{name}_mean", np.tile(mean, width))], name)
        steps = {"strides": [down, along * channels], "kernel_shape": kernel.shape[2:]}
        pads = [top, left * channels, bottom, right * channels]
        graph.add("Conv", inputs, convolution.output[0], pads=pads, **steps)


def _drop_reshapes(graph: Graph) -> None:
    """Reshapes to the shape that a value has."""
    for node in graph.of("Reshape"):
        old, new = (graph.shapes.get(name, []) for name in (node.input[0], node.output[0]))
        if len(old) == len(new) > 1 and old[1:] == new[1:] and graph.only_user(node.output[0]):
            graph.rename(node.output[0], node.input[0])
            graph.nodes.remove(node)


def _resize(graph: Graph) -> None:
    """`plates.efficientdet.model.bifpn.upsample`, a reshape, a broadcast and a slice between two transpositions."""
    for expand in graph.of("Expand"):
        source = graph.before(expand.input[0], "Reshape", "Transpose", shared=True)
        target = graph.after(expand.output[0], "Reshape", "Slice", "Transpose")
        if not source or not target:
            continue
        pixels, name = source[-1].input[0], target[-1].output[0]
        doubled, sides = [2 * side for side in graph.shapes[pixels][2:]], graph.shapes[name][2:]
        whole = name if doubled == sides else f"{name}_whole"
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        twice = graph.constant(f"{name}_twice", np.array([1, 1, 2, 2], np.float32))
        graph.nodes.remove(target[-1])
        graph.add("Resize", [pixels, "", twice], whole, **nearest)
        if whole != name:
            limits = {"starts": [0, 0], "ends": sides, "axes": [2, 3]}
            names = [graph.constant(f"{name}_{key}", np.array(value)) for key, value in limits.items()]
            graph.add("Slice", [whole, *names], name)


def _scale_by_convolution(graph: Graph) -> None:
    """A product of channels with constants: a convolution of 1x1, unless one before it can take the constants in."""
    for node in graph.of("Mul"):
        channels, factor = graph.shapes.get(node.output[0], [])[1:2], graph.constants.get(node.input[1])
        if factor is None or len(graph.shapes[node.output[0]]) != 4 or not isinstance(channels[0], int):
            continue
        if factor.size > 1 and factor.shape[-3:] != (*channels, 1, 1):
            continue
        if any(graph.before(node.input[0], kind) for kind in ("Conv", "BatchNormalization")):
            continue
        kernel = np.broadcast_to(factor.reshape(-1, 1, 1, 1), (*channels, 1, 1, 1)).astype(np.float32)
        name = graph.constant(f"{node.output[0]}_kernel", kernel)
        graph.nodes.remove(node)
        graph.add("Conv", [node.input[0], name], node.output[0], group=channels[0], kernel_shape=[1, 1])


def _sigmoid_first(graph: Graph) -> None:
    """The sigmoid of all levels together: one for each level, which the convolution before it takes in."""
    for sigmoid in graph.of("Sigmoid"):
        together = graph.before(sigmoid.input[0], "Concat")
        levels = [graph.before(name, "Reshape", "Transpose", "Conv") for node in together for name in node.input]
        if not levels or not all(levels):
            continue
        for _, transpose, convolution in levels:
            name = convolution.output[0]
            graph.add("Sigmoid", [name], f"{name}_sigmoid")
            transpose.input[0] = f"{name}_sigmoid"
        together[0].output[0] = sigmoid.output[0]
        graph.nodes.remove(sigmoid)
