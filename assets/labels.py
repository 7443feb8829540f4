"""The label in each file name, as typed columns; a name that does not parse is kept with the field and the reason.

With `data.annotations`, the boxes come from that COCO JSON instead, and the rest of the pipeline is the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates import parts
from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH
from plates.ccpd.table import IMAGE_COLUMNS, LABELS_SCHEMA, UNPARSED_SCHEMA, ClassBy, parse_labels
from plates.coco.convert import from_coco
from plates.errors import UserError
from plates.files import parquet_writer, write_json
from plates.photographs.beside import ANNOTATIONS, require_as_scanned
from plates.photographs.turn import drawn_upright, turn_labels
from plates.scoring.classes import FILE as LABEL_MAP
from plates.scoring.classes import delivered
from stages.run import Run
from stages.stage import Output, asset
from stages.tables import described


@asset(
    reads=["data/raw_images.parquet"],
    params=["data.annotations", "data.class_by", "data.max_unparsed"],
    writes=[
        Output("data/labels.parquet", schema=LABELS_SCHEMA),
        Output("data/unparsed.parquet", schema=UNPARSED_SCHEMA),
        LABEL_MAP,
    ],
    group="data",
    kinds={"parquet"},
    description=__doc__,
)
def labels(run: Run) -> dict[str, Any]:
    params, path = run.params.data, run.project.path
    scanned = path("data/raw_images.parquet")
    left_out: dict[str, int] = {}
    found: Iterable[tuple[pa.Table, pa.Table]] = from_names(scanned, params.class_by)
    if annotations := run.project.annotations:
        table, left_out = from_annotations(annotations, scanned)
        require_as_scanned(scanned, {ANNOTATIONS: annotations})
        found = [(table, UNPARSED_SCHEMA.empty_table())]
    classes: Counter[str | None] = Counter()
    unparsed = 0
    with parquet_writer(path("data/labels.parquet"), LABELS_SCHEMA) as write_labels:
        with parquet_writer(path("data/unparsed.parquet"), UNPARSED_SCHEMA) as write_unparsed:
            for table, rest in found:
                write_labels(table)
                write_unparsed(rest)
                classes.update({row["values"]: row["counts"] for row in table["class"].value_counts().to_pylist()})
                unparsed += len(rest)
        require_labels(unparsed, pq.read_metadata(scanned).num_rows, params.max_unparsed, path("data/unparsed.parquet"))
    write_json(path(LABEL_MAP), delivered(run.project))
    rows, negatives = classes.total(), classes[None]
    named = {"no plate" if name is None else name: count for name, count in classes.items() if count}
    return {
        **described(LABELS_SCHEMA, rows),
        "annotations": rows - negatives,
        "photographs without an annotation": negatives,
        "unparsed": unparsed,
        "classes": dg.MetadataValue.md(pd.Series(named, name="annotations").rename_axis("class").to_markdown()),
        "first rows": dg.MetadataValue.md(first(path("data/labels.parquet"), 5).to_pandas().T.to_markdown()),
        **left_out,
    }


def from_annotations(annotations: Path, scanned: Path) -> tuple[pa.Table, dict[str, int]]:
    """The labels of `data.annotations`, and what was left out or turned."""
    imported = from_coco(annotations, pd.read_parquet(scanned))
    return pa.Table.from_pandas(imported.labels, schema=LABELS_SCHEMA, preserve_index=False), {
        "crowds": imported.crowds,
        "photographs with crowds left out": len(imported.crowded),
        "images not listed": imported.unlisted,
        "outlines that do not have four corners": imported.polygons,
        "turned with their photograph": imported.turned,
    }


def from_names(scanned: Path, class_by: ClassBy) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The labels in the names of raw_images and the names that have none, a part of the table at a time."""
    columns = [*IMAGE_COLUMNS, "orientation"]
    turned = pq.read_table(scanned, columns=columns, filters=pc.field("orientation").is_valid())
    turns = turns_of(turned, class_by)
    for images in parts.read(scanned, IMAGE_COLUMNS, groups=1):
        table, rest = parse_labels(images, class_by)
        yield with_turned(table, turns), rest


def require_labels(unparsed: int, images: int, max_unparsed: float, file: Path) -> None:
    """Raises `UserError` if more than `max_unparsed` of the names are not labels."""
    share = unparsed / max(images, 1)
    if share <= max_unparsed:
        return
    examples = "; ".join(f"{row['name']}: {row['field']}, {row['reason']}" for row in first(file, 3).to_pylist())
    raise UserError(
        f"{unparsed:,} of {images:,} names ({share:.1%}) are not CCPD labels, more than data.max_unparsed "
        f"({max_unparsed:.1%}): {examples}. All are in data/unparsed.parquet. For images "
        "with COCO annotations: plates run --set data.annotations=FILE"
    )


def first(file: Path, rows: int) -> pa.Table:
    """The first rows of a table."""
    return next(parts.read(file, groups=1)).slice(0, rows)


def turns_of(images: pa.Table, class_by: ClassBy) -> pd.Series:
    """By path: the EXIF orientation (1 to 8) by which the boxes of turned photographs (rows of raw_images) turn too."""
    labels = parse_labels(images, class_by)[0].to_pandas()
    orientation = labels["path"].map(images.to_pandas().set_index("path")["orientation"]).to_numpy(np.int64)
    said = np.broadcast_to(np.array([IMAGE_WIDTH, IMAGE_HEIGHT], np.float64), (len(labels), 2))
    upright = drawn_upright(said, labels[["width", "height"]].to_numpy(np.float64, na_value=np.nan), orientation)
    return pd.Series(np.where(upright, 1, orientation), labels["path"])


def with_turned(table: pa.Table, turns: pd.Series) -> pa.Table:
    """The labels table, with the boxes of the photographs in `turns` (by path: orientation) turned."""
    if not pc.any(pc.is_in(table["path"], pa.array(turns.index, pa.string()))).as_py():
        return table
    labels = table.to_pandas()
    turned = turn_labels(labels, labels["path"].map(turns).fillna(1).to_numpy(np.int64))
    return pa.Table.from_pandas(turned, schema=LABELS_SCHEMA, preserve_index=False)
