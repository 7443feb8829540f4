"""The labels in a column of CCPD file names, as typed columns; names that cannot be read, with the reason."""

from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from plates.ccpd.alphabet import NO_CHARACTER, PLATE_LENGTHS, PROVINCES, alphabet_of
from plates.ccpd.label import NAME_PATTERN, explain
from plates.ccpd.subsets import NEGATIVE
from plates.errors import UserError

ClassBy = Literal["plate", "plate_type", "province"]

# name: type and meaning. Pixels are of the photograph. Null from `class` on: the photograph has no plate (a negative).
COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "subset": (pa.string(), "the folder it came in, without ccpd_"),
    "name": (pa.string(), "file name"),
    "path": (pa.string(), "POSIX, relative to data.root; identifies the photograph"),
    "sha256": (pa.string(), "hash of the file's content, hexadecimal"),
    "width": (pa.int32(), "size of the photograph in its header, pixels; null: no header"),
    "height": (pa.int32(), "likewise"),
    "problem": (pa.string(), "what is wrong with the file; null: nothing"),
    "class": (pa.string(), "name of the class to detect"),
    "xmin": (pa.float32(), "left edge of the box, pixels"),
    "ymin": (pa.float32(), "top edge of the box, pixels"),
    "xmax": (pa.float32(), "right edge of the box, pixels"),
    "ymax": (pa.float32(), "bottom edge of the box, pixels"),
    "rb_x": (pa.float32(), "bottom right corner of the plate, pixels"),
    "rb_y": (pa.float32(), ""),
    "lb_x": (pa.float32(), "bottom left corner"),
    "lb_y": (pa.float32(), ""),
    "lt_x": (pa.float32(), "top left corner"),
    "lt_y": (pa.float32(), ""),
    "rt_x": (pa.float32(), "top right corner"),
    "rt_y": (pa.float32(), ""),
    "tilt_horizontal": (pa.int16(), "degrees, by one of two conventions (`plates.ccpd.geometry`)"),
    "tilt_vertical": (pa.int16(), "degrees, by the same convention"),
    "area_ratio": (pa.float32(), "area of the plate over that of the photograph, 0..1"),
    "province": (pa.string(), "first character of the plate"),
    "plate": (pa.string(), "characters of the plate, including the symbol O for 'no character'"),
    "plate_type": (pa.string(), "blue: up to 7 characters; green: more"),
    "brightness": (pa.int32(), "of the plate region, 0..255"),
    "blurriness": (pa.int32(), "of the plate region, a Laplacian variance: larger is sharper"),
}
LABELS_SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": text} if text else None) for name, (kind, text) in COLUMNS.items()]
)
REJECTED: dict[str, tuple[pa.DataType, str]] = {
    "broken": (pa.list_(pa.string()), "names of the critical expectations that the annotation breaks"),
    "found": (pa.list_(pa.string()), "what was found instead, for each of them"),
    "ignored": (
        pa.bool_(),
        "the photograph stays, and this box is neither trained on nor scored (validation.rejected_box)",
    ),
}
REJECTED_SCHEMA = pa.schema(
    [*LABELS_SCHEMA, *(pa.field(name, kind, metadata={"description": text}) for name, (kind, text) in REJECTED.items())]
)
SIZE_DIFFERS = "size differs: "
"""Start of the problem of a photograph whose size differs from its annotations."""
UNPARSED_SCHEMA = pa.schema([(name, pa.string()) for name in ("subset", "name", "path", "field", "found", "reason")])

IMAGE_COLUMNS = LABELS_SCHEMA.names[:7]
NUMBERS = ("tilt_horizontal", "tilt_vertical", *LABELS_SCHEMA.names[8:20], "brightness", "blurriness")
BATCH = 16_384  # names read at a time: bounds the memory
SEPARATORS = bytes.maketrans(b"-_&.", b",,,,")

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "plate": ("license_plate",),
    "plate_type": tuple(PLATE_LENGTHS),
    "province": tuple(PROVINCES.replace(NO_CHARACTER, "")),
}


def label_map(class_by: ClassBy) -> dict[int, str]:
    """Class names by id, from 1, as the TF Object Detection API numbers them.

    Raises:
        UserError: an unknown `class_by`.
    """
    if class_by not in CLASS_NAMES:
        raise UserError(f"data.class_by is {class_by!r}; it can be {', '.join(get_args(ClassBy))}.")
    return dict(enumerate(CLASS_NAMES[class_by], start=1))


def parse_labels(images: pa.Table, class_by: ClassBy = "plate") -> tuple[pa.Table, pa.Table]:
    """The labels in `images.name`, and the names that have none.

    Args:
        images: raw_images, with the columns of `IMAGE_COLUMNS`. Those of the subset `np` are negatives, whatever their
            names.
        class_by: what the classes are (`data.class_by`).

    Returns:
        Two tables (`LABELS_SCHEMA`, `UNPARSED_SCHEMA`) in the order of `images`; every row is in exactly one of them.
    """
    label_map(class_by)
    labels, unparsed = [LABELS_SCHEMA.empty_table()], [UNPARSED_SCHEMA.empty_table()]
    for start in range(0, len(images), BATCH):
        parsed, rest = _parse_batch(images.slice(start, BATCH).combine_chunks(), class_by)
        labels.append(parsed)
        unparsed.append(rest)
    return pa.concat_tables(labels), pa.concat_tables(unparsed)


def _parse_batch(images: pa.Table, class_by: ClassBy) -> tuple[pa.Table, pa.Table]:
    rows = images.select(IMAGE_COLUMNS).append_column("row", pa.array(np.arange(len(images))))
    negative = pc.fill_null(pc.equal(rows["subset"], NEGATIVE), False)
    readable = pc.and_not(pc.match_substring_regex(rows["name"], NAME_PATTERN), negative)
    unread = [rows.filter(pc.and_not(pc.invert(readable), negative))]
    parts = [rows.filter(negative)]
    candidates = rows.filter(readable)
    lengths = pc.subtract(pc.count_substring(candidates["name"], "_"), 4)  # five of them join other fields
    for length in pc.unique(lengths).to_pylist():
        group, outside = _read(candidates.filter(pc.equal(lengths, length)), length, class_by)
        parts.append(group)
        unread.append(outside)
    labels = pa.concat_tables(parts, promote_options="default").sort_by("row").drop_columns("row")
    for field in LABELS_SCHEMA:
        if field.name not in labels.column_names:
            labels = labels.append_column(field, pa.nulls(len(labels), field.type))
    return labels.select(LABELS_SCHEMA.names).cast(LABELS_SCHEMA), _unparsed(pa.concat_tables(unread).sort_by("row"))


def _read(rows: pa.Table, length: int, class_by: ClassBy) -> tuple[pa.Table, pa.Table]:
    """Labels of names that match the grammar and have `length` characters; and rows with an index out of range."""
    indices = [f"index_{position}" for position in range(length)]
    text = "\n".join(rows["name"].to_pylist()).encode("ascii").translate(SEPARATORS)
    columns = ["area", *NUMBERS[:14], *indices, *NUMBERS[14:], "suffix"]
    types = {"area": pa.string(), **dict.fromkeys(NUMBERS, pa.int32()), **dict.fromkeys(indices, pa.int32())}
    read = csv.read_csv(
        pa.py_buffer(text),
        read_options=csv.ReadOptions(column_names=columns, block_size=1 << 24),
        convert_options=csv.ConvertOptions(column_types=types, include_columns=columns[:-1]),
    )
    inside = pa.array(np.ones(len(rows), bool))
    for position, index in enumerate(indices):
        inside = pc.and_(inside, pc.less(read[index], len(alphabet_of(position))))
    outside = rows.filter(pc.invert(inside))
    rows, read = rows.filter(inside), read.filter(inside)

    symbols = [
        pc.take(pa.array(list(alphabet_of(position))), read[index].combine_chunks())
        for position, index in enumerate(indices)
    ]
    plate_type = "blue" if length <= PLATE_LENGTHS["blue"] else "green"
    derived = {
        "area_ratio": pc.cast(pc.binary_join_element_wise("0.", read["area"], ""), pa.float32()),
        "province": symbols[0],
        "plate": pc.binary_join_element_wise(*symbols, ""),
        "plate_type": pa.repeat(plate_type, len(rows)),
    }
    derived["class"] = pa.repeat(CLASS_NAMES["plate"][0], len(rows)) if class_by == "plate" else derived[class_by]
    for name in NUMBERS:
        derived[name] = pc.cast(read[name], COLUMNS[name][0])
    for name, column in derived.items():
        rows = rows.append_column(pa.field(name, COLUMNS[name][0]), column)
    return rows, outside


def _unparsed(rows: pa.Table) -> pa.Table:
    reasons = [explain(name) for name in rows["name"].to_pylist()]
    columns = {name: rows[name] for name in ("subset", "name", "path")}
    for position, name in enumerate(("field", "found", "reason")):
        columns[name] = pa.array([reason[position] for reason in reasons], pa.string())
    return pa.table(columns, schema=UNPARSED_SCHEMA)
