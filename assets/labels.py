"""The label in each file name, as typed columns; a name that does not parse is kept with the field and the reason.

With `data.annotations`, the boxes come from that COCO JSON instead, and the rest of the pipeline is the same.
"""

from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plates.ccpd.table import LABELS_SCHEMA, UNPARSED_SCHEMA, read_labels
from plates.coco.convert import from_coco
from plates.errors import UserError
from plates.files import write_parquet
from stages.run import Run
from stages.stage import asset


@asset(
    reads=["data/raw_images.parquet"],
    params=["data.annotations", "data.class_by", "data.max_unparsed"],
    writes=["data/labels.parquet", "data/unparsed.parquet"],
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
            "outlines without exactly four corners": imported.polygons,
        }
    else:
        table, unparsed = read_labels(scanned, params.class_by)
        left_out = {}
    write_parquet(run.project.path("data/unparsed.parquet"), unparsed)
    share = len(unparsed) / max(images, 1)
    if share > params.max_unparsed:
        first = unparsed.slice(0, 3).to_pylist()
        examples = "; ".join(f"{row['name']}: {row['field']}, {row['reason']}" for row in first)
        raise UserError(
            f"{len(unparsed):,} of {images:,} names ({share:.1%}) are no CCPD labels, more than data.max_unparsed "
            f"({params.max_unparsed:.1%}): {examples}. All of them are in data/unparsed.parquet. For images "
            "with COCO annotations: plates run --set data.annotations=FILE"
        )
    write_parquet(run.project.path("data/labels.parquet"), table)
    counts = table.group_by("class").aggregate([("path", "count")]).to_pandas()
    counts["class"] = counts["class"].fillna("no plate")
    return {
        "annotations": len(table),
        "unparsed": len(unparsed),
        "classes": dg.MetadataValue.md(counts.to_markdown(index=False, headers=["class", "annotations"])),
        "first rows": dg.MetadataValue.md(table.slice(0, 5).to_pandas().T.to_markdown()),
        **left_out,
    }
