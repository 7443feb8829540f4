"""What reads bytes that others wrote: each takes any bytes, and raises nothing but `UserError`."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from plates.ccpd.label import explain
from plates.ccpd.table import parse_labels
from plates.coco.convert import from_coco
from plates.efficientdet.data.tfrecords import read, read_manifest
from plates.efficientdet.data.tfrecords.example import from_bytes
from plates.efficientdet.data.tfrecords.framing import frame
from plates.errors import UserError
from plates.lineage import record
from plates.photographs.header import read_header
from plates.photographs.scan import RAW_IMAGES_SCHEMA
from plates.settings import automl_overrides, params
from plates.settings.yaml_text import read_yaml

FILE = Path(tempfile.mkdtemp(prefix="fuzz-")) / "file"


def written(data: bytes) -> Path:
    FILE.write_bytes(data)
    return FILE


def label_table(data: bytes) -> None:
    """File names, one a line: each becomes a label or a reason."""
    names = data.decode("utf-8", "replace").split("\n")
    size = len(names)
    columns = {
        "subset": ["base"] * size,
        "name": names,
        "path": names,
        "bytes": [1] * size,
        "sha256": ["0"] * size,
        "width": [720] * size,
        "height": [1160] * size,
        "problem": [None] * size,
    }
    labels, unparsed = parse_labels(pa.table(columns, schema=RAW_IMAGES_SCHEMA), "plate_type")
    assert sorted(labels["name"].to_pylist() + unparsed["name"].to_pylist()) == sorted(names)
    for name in unparsed["name"].to_pylist():
        field, _, reason = explain(name)
        assert field
        assert reason


def coco_file(data: bytes) -> None:
    """COCO JSON becomes a table of labels."""
    from_coco(written(data))


def jpeg_header(data: bytes) -> None:
    """A file becomes a size, or a problem in words."""
    header = read_header(data)
    assert header.problem or (header.width and header.height)


def tfrecord_file(data: bytes) -> None:
    """A shard becomes examples."""
    for example in read(written(data)):
        assert example.boxes.shape == (len(example.labels), 4)


def example(data: bytes) -> None:
    """The payload of one example, alone and in its frame."""
    try:
        alone = from_bytes(data)
    except UserError:
        return
    (framed,) = read(written(frame(data)))
    assert framed.path == alone.path


def overrides(data: bytes) -> None:
    """A file of the reference's YAML becomes settings."""
    automl_overrides.read(written(data))


def settings_file(data: bytes) -> None:
    """A `params.yaml` becomes settings."""
    params.parse(read_yaml(data.decode("utf-8", "replace"), "params.yaml") or {}, "params.yaml")


def record_file(data: bytes) -> None:
    """A lineage record."""
    record.read(written(data))


def manifest(data: bytes) -> None:
    """The manifest of TFRecords."""
    file = written(data)
    file.replace(file.with_name("manifest.json"))
    read_manifest(file.parent)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        label_table,
        coco_file,
        jpeg_header,
        tfrecord_file,
        example,
        overrides,
        settings_file,
        record_file,
        manifest,
    )
}
