"""Which photographs train, validate and test. No plate is in two of these splits.

CCPD's own lists decide if the delivery has them; otherwise a seeded hash of the plate, so that a plate keeps its split
when photographs are added.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates import parts
from plates.ccpd.subsets import official_lists, uses_lists
from plates.columns import SPLITS
from plates.errors import UserError
from plates.files import write_parquet
from plates.photographs.beside import lists as all_lists
from plates.photographs.beside import require_as_scanned
from plates.splits.split import SPLITS_SCHEMA, groups, split_by_plate, split_officially
from plates.splits.strata import strata_of
from stages.run import Run
from stages.stage import Output, asset
from stages.tables import described


@asset(
    reads=["data/raw_images.parquet", "data/boxes.parquet"],
    params=["split"],
    writes=[Output("data/splits.parquet", schema=SPLITS_SCHEMA)],
    group="data",
    kinds={"parquet"},
    description=__doc__,
)
def splits(run: Run) -> dict[str, Any]:
    path, params, root = run.project.path, run.params.split, run.project.photographs
    images = pq.read_table(path("data/raw_images.parquet"), columns=["path", "subset"])
    official = uses_lists(params.method, root, images)
    lists = official_lists(root, images) if official else None
    if lists:
        require_as_scanned(path("data/raw_images.parquet"), all_lists(root))
    del images
    boxes = keys(path("data/boxes.parquet"))
    if lists:
        divided = split_officially(boxes, lists, params.seed, params.val_fraction, params.test_fraction)
        said = {f"listed but missing: {name}": count for name, count in lists.missing.items()}
        said |= {f"present but not listed: {subset}": count for subset, count in lists.unlisted.items()}
    else:
        divided = split_by_plate(boxes, params.seed, params.val_fraction, params.test_fraction)
        said = {}
    rows = len(divided.table)
    counts = {row["values"]: row["counts"] for row in divided.table["split"].value_counts().to_pylist()}
    if empty := [name for name in SPLITS if not counts.get(name)]:
        plates = groups(boxes)
        helps = "Add photographs of other plates"
        if official and plates >= len(SPLITS):
            helps = "A split by plate gives each some: plates run --set split.method=plate"
        raise UserError(
            f"no photograph is in {', '.join(empty)}: {rows:,} photographs of {plates:,} plates, split "
            f"{'by the official lists' if official else 'by plate; each split needs at least one'}. {helps}"
        )
    if bare := without_labels(boxes, divided.table):
        anew = f"Divide anew: plates run --set split.seed={params.seed + 1}"
        raise UserError(
            f"no photograph with a label is in {' and none in '.join(bare)}, so nothing could be learned or scored "
            f"there. {'Add labelled photographs' if official else anew}"
        )
    write_parquet(path("data/splits.parquet"), divided.table)
    moved = divided.counts
    del boxes, divided
    of_strata = strata_of(path("data/boxes.parquet"), path("data/splits.parquet"))
    return {
        **described(SPLITS_SCHEMA, rows),
        "method": "official lists" if official else "by plate",
        **dict(sorted(counts.items(), key=lambda count: -count[1])),
        **said,
        **moved,
        "largest difference of a stratum": float(of_strata["off"].max()),
        "strata": dg.MetadataValue.md(of_strata.round(3).to_markdown(index=False)),
    }


def without_labels(boxes: pa.Table, divided: pa.Table) -> list[str]:
    """The splits whose photographs are all without a label."""
    negatives = boxes["path"].filter(pc.invert(boxes["labelled"]))
    labelled = divided["split"].filter(pc.invert(pc.is_in(divided["path"], negatives)))
    return [name for name in SPLITS if name not in pc.unique(labelled).to_pylist()]


def keys(boxes: Path) -> pa.Table:
    """The columns of the boxes table that decide on a split, the content only of photographs without a plate.

    And `labelled`: false of the one row of a photograph without a label.
    """
    tables = []
    for part in parts.read(boxes, ["path", "subset", "plate", "sha256", "class"]):
        content = pc.if_else(pc.is_null(part["plate"]), part["sha256"], None)
        part = part.set_column(part.schema.get_field_index("sha256"), "sha256", content)
        tables.append(part.append_column("labelled", pc.is_valid(part["class"])).drop_columns("class"))
    return pa.concat_tables(tables)
