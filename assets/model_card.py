"""Which data, parameters and code produced which mAP: a card for people and a record for `plates lineage`.

The outcome of every photograph is in `data/outcomes.parquet`, whose hash is in the record.
"""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from plates.efficientdet.inference.runtimes import FILES, part
from plates.efficientdet.inference.speed import BATCHES, costs, mib
from plates.files import atomic, read_json, write_json
from plates.hashes import content_hash
from plates.lineage import record as records
from plates.lineage.checkpoint import described, label_map
from plates.lineage.model_card import render
from plates.lineage.parents import parents
from plates.lineage.timeline import markdown
from plates.metrics import measured
from plates.scoring import outcomes
from stages import lock
from stages.run import Run
from stages.stage import Output, asset


@asset(
    reads=[
        "data/raw_images.parquet",
        "data/unparsed.parquet",
        "data/boxes.parquet",
        "data/rejected.parquet",
        "data/splits.parquet",
        "data/detections.parquet",
        "metrics/evaluation.json",
        "models/checkpoint",
        "models/export/model",
    ],
    writes=[
        Output("data/outcomes.parquet", schema=outcomes.SCHEMA),
        Output("models/export/MODEL_CARD.md", cache=False),
        Output("models/export/record.json", cache=False),
        Output(records.FOLDER, cache=False, persist=True),
    ],
    group="model",
    kinds={"markdown", "parquet"},
    description=__doc__,
    vouches=True,
)
def model_card(run: Run) -> dict[str, Any]:
    path, root = run.project.path, run.project.root
    metrics = read_json(path("metrics/evaluation.json"))
    detections = pd.read_parquet(path("data/detections.parquet")) if "mAP" in metrics else None
    classes = label_map(described(path("models/checkpoint")))
    became = outcomes.outcomes(run.project, detections, metrics["split"], classes)
    outcomes.write(path("data/outcomes.parquet"), became)
    record = records.write(
        root,
        metrics,
        run.project.all_params.model_dump(mode="json"),
        parents=parents(path("models/checkpoint"), records.read_all(root)),
        outcomes=content_hash(path("data/outcomes.parquet")),
        **origin(run),
    )
    write_json(path("models/export/record.json"), {"record": record.id})
    card = render(record, outcomes.counts(became), exported(path("models/export/model")))
    with atomic(path("models/export/MODEL_CARD.md")) as temporary:
        temporary.write_text(card, encoding="utf-8")
    timeline = markdown(records.read_all(root), ())
    return {
        "record": record.id,
        **measured(metrics),
        "card": dg.MetadataValue.md(card),
        "timeline": dg.MetadataValue.md(timeline),
    }


def exported(folder: Path) -> dict[str, dict[str, float | None]]:
    """What each exported format costs: MiB on disk, milliseconds for 1 and 8 pictures, MiB of memory to run it."""
    measured = costs(folder)
    found: dict[str, dict[str, float | None]] = {}
    for name, file in FILES.items():
        if (folder / file).exists():
            cost = measured.get(name)
            times = cost.milliseconds if cost else {}
            found[name] = {
                "MiB": mib(folder / part(name)),
                **{f"ms for {count}": times.get(count) for count in BATCHES},
            }
            found[name]["memory"] = cost.memory if cost else None
    return found


def origin(run: Run) -> dict[str, Any]:
    """The command that started the run, and its ids in the lock, Dagster and DVC."""
    turn, experiment = lock.holder(run.project.root), os.environ.get("DVC_EXP_NAME")
    ids = {"turn": turn.id if turn else None, "dagster": run.id, "dvc experiment": experiment}
    return {"door": turn.door if turn else None, "runs": {name: id for name, id in ids.items() if id}}
