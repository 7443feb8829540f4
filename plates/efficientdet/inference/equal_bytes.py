"""Makes the bytes of exported files depend only on what they compute, so that equal models have equal hashes.

TensorFlow numbers functions by a counter of the process, writes that process's settings into every call and a random id
beside the graph; tf2onnx names and orders what it makes by hashes of strings, which every process seeds anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FINGERPRINT = "fingerprint.pb"
NUMBERED = re.compile(r"(.*_)(\d+)")
PLACEHOLDER = re.compile(r"_\d+(?=___redundant_placeholder)")
CAPTURED = "_user_specified_name"
OF_THE_PROCESS = ("_gradient_op_type", "config_proto")
"""Attributes of nodes: a gradient's registered name, and the settings under which it was traced, in any order."""


def saved_model(folder: Path) -> None:
    """Rewrites a SavedModel without custom gradients in place, its functions numbered in the order of their tracing.

    Its `fingerprint.pb`, a random id with hashes of the graph before, is removed: TensorFlow loads without it.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = folder / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    for graph in model.meta_graphs:
        _renumber(graph)
    path.write_bytes(model.SerializeToString(deterministic=True))
    (folder / FINGERPRINT).unlink(missing_ok=True)


def onnx_model(path: Path) -> None:
    """Rewrites an ONNX file in place: nodes in the order of a walk from the outputs, values named after their node.

    Constants that are equal become one. Inputs and outputs keep their names; their open dimension is "batch".
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    _rewrite(graph, {value.name: value.name for value in (*graph.input, *graph.output)}, "")
    for value in (*graph.input, *graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = "batch"
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _rewrite(graph: Any, names: dict[str, str], prefix: str) -> None:
    """Renames and orders what is in a graph, and in the bodies of its loops.

    Args:
        graph: an ONNX GraphProto, changed in place.
        names: new names by old ones, of what is known already; those of the graph's values come in.
        prefix: of the new names.
    """
    constants = {value.name: value for value in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    nodes: list[Any] = []
    kept: dict[bytes, tuple[str, Any]] = {}

    def named(name: str) -> str:
        if name in constants and name not in names:
            content = constants[name]
            content.name = ""
            key = content.SerializeToString(deterministic=True)
            names[name] = kept.setdefault(key, (f"{prefix}constant_{len(kept)}", content))[0]
        return names.get(name, name)

    for node in _from_the_outputs(graph, makers):
        node.name = f"{prefix}{node.op_type}_{len(nodes)}"
        for index, name in enumerate(node.input):
            node.input[index] = named(name)
        for body in _bodies(node):
            inside = {name: named(name) for name in sorted(captured(body))}
            inside |= {value.name: f"{node.name}_input_{index}" for index, value in enumerate(body.input)}
            _rewrite(body, inside, f"{node.name}_")
            body.name = f"{node.name}_body"
            for value in body.input:
                value.name = inside[value.name]
            for value in body.output:
                value.name = inside[value.name]
            for value in (*body.input, *body.output):
                for side in value.type.tensor_type.shape.dim:
                    if side.dim_param:  # a number of the process; nothing says which of them are equal
                        side.Clear()
        for index, name in enumerate(node.output):
            if name:
                node.output[index] = names.setdefault(name, f"{node.name}_{index}")
        nodes.append(node)
    if prefix:
        for value in graph.output:
            names[value.name] = named(value.name)
    for name, content in kept.values():
        content.name = name
    for field, values in (("node", nodes), ("initializer", [content for _, content in kept.values()])):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)
    graph.ClearField("value_info")
    graph.ClearField("doc_string")  # holds a number of the process


def _renumber(graph: Any) -> None:
    """Renames the functions of a `MetaGraphDef` wherever they are named, and sorts them."""
    library = graph.graph_def.library
    numbers = {}
    for function in library.function:
        if found := NUMBERED.fullmatch(function.signature.name):
            numbers[function.signature.name] = (int(found[2]), found[1])
    ordered = sorted(numbers, key=lambda name: numbers[name])
    names = {name: f"{numbers[name][1]}{index}" for index, name in enumerate(ordered)}
    for function in library.function:
        function.signature.name = names.get(function.signature.name, function.signature.name)
        for argument in function.signature.input_arg:
            argument.name = PLACEHOLDER.sub("", argument.name)
        for argument in function.arg_attr.values():
            if CAPTURED in argument.attr and argument.attr[CAPTURED].s.isdigit():  # a number of the process, too
                del argument.attr[CAPTURED]
    for node in _nodes(graph):
        node.op = names.get(node.op, node.op)
        for name in OF_THE_PROCESS:
            node.attr.pop(name, None)
        for value in node.attr.values():
            for called in _called(value):
                called.name = names.get(called.name, called.name)
    functions = sorted(library.function, key=lambda function: function.signature.name)
    copies = [type(function).FromString(function.SerializeToString()) for function in functions]
    library.ClearField("function")
    library.function.extend(copies)
    objects = graph.object_graph_def
    for name in list(objects.concrete_functions):
        if name in names:
            objects.concrete_functions[names[name]].CopyFrom(objects.concrete_functions.pop(name))
    for thing in objects.nodes:
        kind = thing.WhichOneof("kind")
        if kind == "bare_concrete_function":
            bare = thing.bare_concrete_function
            bare.concrete_function_name = names.get(bare.concrete_function_name, bare.concrete_function_name)
        elif kind == "captured_tensor":
            captured = thing.captured_tensor
            captured.concrete_function = names.get(captured.concrete_function, captured.concrete_function)
        elif kind == "function":
            thing.function.concrete_functions[:] = [names.get(n, n) for n in thing.function.concrete_functions]


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _called(value: Any) -> Iterable[Any]:
    """The functions that an attribute of a node names."""
    kind = value.WhichOneof("value")
    return [value.func] if kind == "func" else value.list.func if kind == "list" else ()


def _bodies(node: Any) -> list[Any]:
    """The graphs inside a node: of a loop, its body."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def captured(graph: Any) -> set[str]:
    """The values of the graphs around it that a body uses."""
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    used |= {name for node in graph.node for body in _bodies(node) for name in captured(body)}
    own = {output for node in graph.node for output in node.output}
    own |= {value.name for value in (*graph.input, *graph.initializer)}
    return used - own - {""}


def _from_the_outputs(graph: Any, makers: dict[str, Any]) -> Iterable[Any]:
    """The nodes that the outputs need, each after those that it takes its inputs from."""
    done: dict[int, Any] = {}
    for output in graph.output:
        waiting = [makers[output.name]] if output.name in makers else []
        while waiting:
            node = waiting[-1]
            needed = [*node.input, *(name for body in _bodies(node) for name in sorted(captured(body)))]
            missing = [makers[name] for name in needed if name in makers and id(makers[name]) not in done]
            if missing:
                waiting.append(missing[0])
            else:
                waiting.pop()
                done.setdefault(id(node), node)
    return list(done.values())
