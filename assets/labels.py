"""The label in each file name, as typed columns; a name that does not parse is kept with the field and the reason.

With `data.annotations`, the boxes come from that COCO JSON instead, and the rest of the pipeline is the same.
"""

from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH
from plates.ccpd.table import LABELS_SCHEMA, UNPARSED_SCHEMA, read_labels
from plates.coco.convert import from_coco
from plates.errors import UserError
from plates.files import write_parquet
from plates.photographs.turn import drawn_upright, turn_labels
from stages.run import Run
from stages.stage import Output, asset
from stages.tables import described


@asset(
    reads=["data/raw_images.parquet"],
    params=["data.annotations", "data.class_by", "data.max_unparsed"],
    writes=[
        Output("data/labels.parquet", schema=LABELS_SCHEMA),
        Output("data/unparsed.parquet", schema=UNPARSED_SCHEMA),
    ],
    group="data",
    kinds={"parquet"},
    description=__doc__,
)
def labels(run: Run) -> dict[str, Any]:
    params = run.params.data
    scanned = run.project.path("data/raw_images.parquet")
    images = pq.read_metadata(scanned).num_rows
    if run.project.annotations:
        imported = from_coco(run.project.annotations, pd.read_parquet(scanned))
        table = pa.Table.from_pandas(imported.labels, schema=LABELS_SCHEMA, preserve_index=False)
        unparsed = UNPARSED_SCHEMA.empty_table()
        left_out = {
            "crowds left out": imported.crowds,
            "images not listed": imported.unlisted,
            "outlines that do not have four corners": imported.polygons,
            "turned with their photograph": imported.turned,
        }
    else:
        table, unparsed = read_labels(scanned, params.class_by)
        table = with_turned(table, pq.read_table(scanned, columns=["path", "orientation"]).drop_null())
        left_out = {}
    write_parquet(run.project.path("data/unparsed.parquet"), unparsed)
    share = len(unparsed) / max(images, 1)
    if share > params.max_unparsed:
        first = unparsed.slice(0, 3).to_pylist()
        examples = "; ".join(f"{row['name']}: {row['field']}, {row['reason']}" for row in first)
        raise UserError(
            f"{len(unparsed):,} of {images:,} names ({share:.1%}) are not CCPD labels, more than data.max_unparsed "
            f"({params.max_unparsed:.1%}): {examples}. All are in data/unparsed.parquet. For images "
            "with COCO annotations: plates run --set data.annotations=FILE"
        )
    write_parquet(run.project.path("data/labels.parquet"), table)
    counts = table.group_by("class").aggregate([("path", "count")]).to_pandas()
    counts["class"] = counts["class"].fillna("no plate")
    labelled = len(table) - table["class"].null_count
    return {
        **described(LABELS_SCHEMA, len(table)),
        "annotations": labelled,
        "photographs without an annotation": len(table) - labelled,
        "unparsed": len(unparsed),
        "classes": dg.MetadataValue.md(counts.to_markdown(index=False, headers=["class", "annotations"])),
        "first rows": dg.MetadataValue.md(table.slice(0, 5).to_pandas().T.to_markdown()),
        **left_out,
    }


def with_turned(table: pa.Table, images: pa.Table) -> pa.Table:
    """The labels table, with the boxes of turned photographs turned too (`images`: path, orientation)."""
    if not len(images):
        return table
    labels, known = table.to_pandas(), images.to_pandas().set_index("path")["orientation"]
    orientation = labels["path"].map(known).fillna(1).to_numpy(np.int64)
    said = np.broadcast_to(np.array([IMAGE_WIDTH, IMAGE_HEIGHT], np.float64), (len(labels), 2))
    upright = drawn_upright(said, labels[["width", "height"]].to_numpy(np.float64, na_value=np.nan), orientation)
    turned = turn_labels(labels, np.where(upright, 1, orientation))
    return pa.Table.from_pandas(turned, schema=LABELS_SCHEMA, preserve_index=False)
