"""The formats of an exported network, and the library that runs each, imported only when used.

Every format takes prepared pictures, float32 [B, H, W, 3], RGB 0 to 255, and answers with `boxes` float32 [B, A, 4],
yxyx in pixels of that size, and `scores` float32 [B, A, C] of every anchor, before NMS. A network with corners adds
`corners` float32 [B, A, 4, 2]: y, x of bottom right, bottom left, top left and top right; one with masks adds `masks`
float32 [B, h, w, classes]. With NMS inside, ONNX and LiteRT answer with `boxes` [B, N, 4], `scores` [B, N], `classes`
int32 [B, N] and `corners` [B, N, 4, 2], best first, 0 after the last detection.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from plates.efficientdet.config.output import Exported, FewerBits, Float
from plates.efficientdet.inference import foreign
from plates.efficientdet.inference.description import DESCRIPTION, Description
from plates.errors import UserError
from plates.files import write_json
from plates.hashes import content_hash
from plates.quiet import import_tensorflow

Arrays = dict[str, np.ndarray]
Format = Exported
Kind = Format | Literal["checkpoint"]

FILES: dict[Format, str] = {
    "onnx": "model.onnx",
    "openvino": "openvino/model.xml",
    "litert": "model.tflite",
    "saved_model": "saved_model/1",  # the number is the version that TensorFlow Serving asks for
    "litert_float16": "model_float16.tflite",
    "litert_int8": "model_int8.tflite",
    "openvino_int8": "openvino_int8/model.xml",
}
"""The path of each format in an exported folder, the fastest first. Formats of fewer bits come last."""

HASHES = "hashes.json"

ENDINGS: dict[str, Format] = {".onnx": "onnx", ".tflite": "litert", ".xml": "openvino"}


@dataclass(frozen=True)
class Network:
    """An exported network, opened: `run`, for any thread, takes prepared pictures and answers as the module says."""

    format: Kind
    description: Description
    run: Callable[[np.ndarray], Arrays]


def open_network(path: Path, kind: Format | None = None, threads: int | None = None) -> Network:
    """Opens one format of an exported folder, or a single file from one.

    Args:
        path: the folder, or a .onnx, a .tflite or OpenVINO's .xml.
        kind: which format of the folder; by default the first of `FILES` that exists.
        threads: that share the work of one answer; default: one for each core. With 1, answers side by side, from
            several threads, take the least time in all. TensorFlow, for a SavedModel, has its own.

    Raises:
        UserError: the format is missing, was changed since it was exported, has no description, is damaged, or its
            library is not installed.
    """
    name = format_of(path, kind)
    if path.is_dir():
        _require_unchanged(path, name)
    return Network(name, *OPEN[name](path / FILES[name] if path.is_dir() else path, threads))


def part(name: Format) -> str:
    """What a format is in an exported folder: a file, or a folder of its own."""
    return FILES[name].partition("/")[0]


def seal(folder: Path) -> None:
    """Writes `hashes.json`: files changed afterwards are not loaded."""
    there = [name for name, file in FILES.items() if (folder / file).exists()]
    write_json(folder / HASHES, {name: content_hash(folder / part(name)) for name in there})


def _require_unchanged(folder: Path, name: Format) -> None:
    again = "Export it again: plates materialize exported_model"
    try:
        written = json.loads((folder / HASHES).read_text(encoding="utf-8"))[name]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder / HASHES} is missing or damaged. {again}") from None
    if content_hash(folder / part(name)) != written:
        raise UserError(f"{folder / part(name)} was changed after it was exported. {again}")


def format_of(path: Path, kind: Format | None = None) -> Format:
    """The format that `open_network` would open; raises like it if there is none."""
    if not path.exists():
        raise UserError(
            f"no model at {path}. `plates run` makes one, in models/export/model; the champion's is in "
            "models/champion/model"
        )
    if path.is_dir():
        there = [name for name, file in FILES.items() if (path / file).exists()]
        if not there:
            raise UserError(f"no exported model in {path}. Export one: plates materialize exported_model")
        if kind and kind not in there:
            raise UserError(
                f"no exported {kind} in {path}, which has {', '.join(there)}. "
                f"Export it: plates run --set 'export.formats=[{kind}]'"
            )
        return kind or there[0]
    if path.suffix not in ENDINGS:
        raise UserError(f"{path} is not a model: a model is an exported folder, or {', '.join(ENDINGS)}")
    return ENDINGS[path.suffix]


Opened = tuple[Description, Callable[[np.ndarray], Arrays]]


def _onnx(path: Path, threads: int | None) -> Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: as many as there are cores
    # Threads that wait for the next operation spin; after the last one they leave the cores to others.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no other base
        raise _damaged(path, error) from error
    fields = session.get_modelmeta().custom_metadata_map
    if "label_map" not in fields and foreign.beside(path).is_file():
        return foreign.open_foreign(path, session)
    names = [output.name for output in session.get_outputs()]
    images = session.get_inputs()[0].name

    def run(pixels: np.ndarray) -> Arrays:
        return dict(zip(names, session.run(names, {images: pixels}), strict=True))

    if "label_map" not in fields:
        raise UserError(
            f"{path} has no description. If another tool made it, a {foreign.beside(path).name} beside it must say how "
            "to use it: docs/compare.md. If plates did, export it again: plates materialize exported_model"
        )
    return Description.from_fields(fields, str(path)), run


def _litert(path: Path, threads: int | None) -> Opened:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise _missing("ai-edge-litert", "litert") from None
    own = threading.local()  # an interpreter answers one thread at a time

    def signature() -> Any:
        if not hasattr(own, "signature"):
            own.signature = Interpreter(str(path), num_threads=threads or os.cpu_count()).get_signature_runner()
        return own.signature

    try:
        (images,) = signature().get_input_details()
        with zipfile.ZipFile(path) as archive:
            description = archive.read(DESCRIPTION).decode()
    except (ValueError, RuntimeError, zipfile.BadZipFile, KeyError) as error:
        raise _damaged(path, error) from error
    return Description.parse(description, str(path)), lambda pixels: dict(signature()(**{images: pixels}))


def _openvino(path: Path, threads: int | None) -> Opened:
    try:
        import openvino
    except ImportError:
        raise _missing("openvino", "openvino") from None
    try:
        model = openvino.Core().read_model(path)
        cores = os.cpu_count() or 1
        description = model.get_rt_info(["plates", "description"]).value
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            settings |= {"NUM_STREAMS": max(1, cores // threads), "INFERENCE_NUM_THREADS": cores}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise _damaged(path, error) from error
    names = [output.get_any_name() for output in compiled.outputs]

    def run(pixels: np.ndarray) -> Arrays:
        found = compiled.create_infer_request().infer([pixels])
        return {name: found[index] for index, name in enumerate(names)}

    return Description.parse(description, str(path)), run


def _saved_model(path: Path, threads: int | None) -> Opened:
    import_tensorflow()
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
        answer = loaded.signatures["pixels"]
    except (OSError, KeyError, tf.errors.OpError) as error:
        raise _damaged(path, error) from error

    def run(pixels: np.ndarray, _keep: object = loaded) -> Arrays:
        return {name: value.numpy() for name, value in answer(images=tf.constant(pixels)).items()}

    return Description.read(path.parents[1]), run


OPEN: dict[Format, Callable[[Path, int | None], Opened]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
    "saved_model": _saved_model,
    "litert_float16": _litert,
    "litert_int8": _litert,
    "openvino_int8": _openvino,
}
assert set(OPEN) == set(FILES) == {*get_args(Float), *get_args(FewerBits)}


def _damaged(path: Path, error: Exception) -> UserError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return UserError(f"{path} cannot be opened: it is damaged, or not a model of this format ({reason})")


def _missing(package: str, extra: str) -> UserError:
    return UserError(f"this format needs {package}: pip install -e '.[{extra}]'")
