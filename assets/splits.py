"""Which photographs train, validate and test. No plate is in two of these splits.

CCPD's own lists decide if the delivery has them; otherwise a seeded hash of the plate, so that a plate keeps its split
when photographs are added.
"""

from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq

from plates.ccpd.subsets import official_lists, uses_lists
from plates.columns import SPLITS
from plates.errors import UserError
from plates.files import write_parquet
from plates.splits.split import SPLITS_SCHEMA, groups, split_by_plate, split_officially, strata
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
    params, root = run.params.split, run.project.photographs
    boxes = pq.read_table(run.project.path("data/boxes.parquet"))
    images = pq.read_table(run.project.path("data/raw_images.parquet"), columns=["path", "subset"])
    official = uses_lists(params.method, root, images)
    if official:
        lists = official_lists(root, images)
        divided = split_officially(boxes, lists, params.seed, params.val_fraction, params.test_fraction)
        said = {f"listed but missing: {name}": count for name, count in lists.missing.items()}
        said |= {f"present but not listed: {subset}": count for subset, count in lists.unlisted.items()}
    else:
        divided = split_by_plate(boxes, params.seed, params.val_fraction, params.test_fraction)
        said = {}
    frame: pd.DataFrame = divided.table.to_pandas()
    counts = frame["split"].value_counts()
    if empty := [name for name in SPLITS if not counts.get(name)]:
        parts = groups(boxes)
        helps = "Add photographs of other plates"
        if official and parts >= len(SPLITS):
            helps = "A split by plate gives each some: plates run --set split.method=plate"
        raise UserError(
            f"no photograph is in {', '.join(empty)}: {len(frame):,} photographs of {parts:,} plates, split "
            f"{'by the official lists' if official else 'by plate; each split needs at least one'}. {helps}"
        )
    write_parquet(run.project.path("data/splits.parquet"), divided.table)
    of_strata = strata(boxes.to_pandas(), frame)
    return {
        **described(SPLITS_SCHEMA, len(frame)),
        "method": "official lists" if official else "by plate",
        **{str(name): int(count) for name, count in counts.items()},
        **said,
        **divided.counts,
        "largest difference of a stratum": float(of_strata["off"].max()),
        "strata": dg.MetadataValue.md(of_strata.round(3).to_markdown(index=False)),
    }
