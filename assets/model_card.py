"""Which data, parameters and code produced which mAP: a card for people and a record for `plates lineage`."""

import json
from typing import Any

import dagster as dg
import pandas as pd

from plates.columns import SPLITS
from plates.files import atomic, write_json
from plates.lineage import record as records
from plates.lineage.gate import METRICS
from plates.lineage.model_card import render
from stages.run import Run
from stages.stage import Output, asset


@asset(
    reads=[
        "data/unparsed.parquet",
        "data/boxes.parquet",
        "data/rejected.parquet",
        "data/splits.parquet",
        "data/detections.parquet",
        "metrics/evaluation.json",
        "models/export/model",
    ],
    writes=[
        Output("models/export/MODEL_CARD.md", cache=False),
        Output("models/export/record.json", cache=False),
        Output(records.FOLDER, cache=False, persist=True),
    ],
    group="model",
    kinds={"markdown"},
    description=__doc__,
)
def model_card(run: Run) -> dict[str, Any]:
    path = run.project.path
    metrics = json.loads(path("metrics/evaluation.json").read_text(encoding="utf-8"))
    boxes = pd.read_parquet(path("data/boxes.parquet"), columns=["path", "class"])
    splits = pd.read_parquet(path("data/splits.parquet"), columns=["split"])
    counts = {
        "images": boxes["path"].nunique(),
        "boxes": int(boxes["class"].notna().sum()),
        "rejected": len(pd.read_parquet(path("data/rejected.parquet"), columns=["path"])),
        "unparsed": len(pd.read_parquet(path("data/unparsed.parquet"), columns=["path"])),
        "splits": {name: int((splits["split"] == name).sum()) for name in SPLITS},
    }
    record = records.write(run.project.root, metrics, run.project.all_params.model_dump(mode="json"))
    write_json(path("models/export/record.json"), {"record": record.id})
    card = render(record, counts)
    with atomic(path("models/export/MODEL_CARD.md")) as temporary:
        temporary.write_text(card, encoding="utf-8")
    figures = {name: metrics[name] for name in METRICS if metrics.get(name) is not None}
    return {"record": record.id, **figures, "card": dg.MetadataValue.md(card)}
