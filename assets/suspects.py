"""Labels that are likely wrong: missed plates, moved or swapped boxes, found by trainings that did not see them.

Off until `suspects.folds` says how many trainings to run. Not part of a run, because each takes as long as
`checkpoint`: use `plates suspects`. The crops are in `reports/suspects.html`; people's decisions about them go into
`label_decisions.csv`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from assets.checkpoint import initialiser
from plates.files import read_json, remove, write_parquet
from plates.hashes import content_hash
from plates.photographs.content import Photographs
from plates.quiet import import_tensorflow
from plates.scoring.classes import FILE as LABEL_MAP
from plates.scoring.classes import classes
from plates.scoring.truth import truth
from plates.suspects import decisions, page, ranking
from stages.code import hashes
from stages.run import Run
from stages.stage import Output, asset

TABLE, PAGE = "data/suspects.parquet", "reports/suspects.html"
SHOWN = 24


@asset(
    reads=["data/boxes.parquet", LABEL_MAP, "data/splits.parquet", "data/anchors.json"],
    sources=[decisions.FILE],
    params=["model", "train", "augment", "suspects"],
    writes=[Output(TABLE, tracked=False), Output(PAGE, tracked=False)],
    group="data",
    kinds={"html", "keras"},
    description=__doc__,
    keeps="the trainings already finished",
    pool="gpu",
)
def suspects(run: Run) -> dict[str, Any]:
    from plates.pages.sheets import markdown

    path, folds = run.project.path, run.params.suspects.folds
    labels = truth(run.project)
    decided = decisions.read(path(decisions.FILE))["path"].tolist()
    found = ranking.suspects(labels, out_of_fold(run, labels), decided) if folds else ranking.NONE
    photographs = Photographs.of(run.project)
    write_parquet(path(TABLE), found)
    pictures = page.write(path(PAGE), found, labels, photographs.file, folds, len(decided))
    return {
        "trainings": folds or "off: suspects.folds is 0. To look: plates suspects --folds 5",
        "suspects": len(found),
        **{kind: int((found["kind"] == kind).sum()) for kind in ranking.KINDS},
        "decided": len(decided),
        "pictures": dg.MetadataValue.md(markdown(pictures[:SHOWN])),
        "page": dg.MetadataValue.path(str(path(PAGE))),
    }


def out_of_fold(run: Run, labels: pd.DataFrame) -> pd.DataFrame:
    """What the trainings find; those already made from the same labels, settings and code are not repeated."""
    from plates.efficientdet.model.family import resolve
    from plates.suspects import folds

    import_tensorflow()
    params, label_map = run.params, classes(run.project)
    fitted = read_json(run.project.path("data/anchors.json"))
    spec = resolve(params.model, num_classes=max(label_map), aspect_ratios=fitted["aspect_ratios"])
    trainer = folds.Trainer(
        spec, params.train, params.augment, initialiser(params.model, run.project.scratch / "weights")
    )
    return folds.out_of_fold(
        labels,
        label_map,
        Photographs.of(run.project),
        trainer,
        params.suspects.folds,
        work(run),
        say=run.progress.say,
        progress=run.progress("photographs judged"),
    )


def work(run: Run) -> Path:
    """The folder of these trainings; folders for other labels, settings or code are removed."""
    made_of = {
        "inputs": {path: content_hash(run.project.path(path)) for path in suspects.reads},
        "params": [
            getattr(run.params, name).model_dump(mode="json") for name in ("model", "train", "augment", "suspects")
        ],
        "code": hashes(suspects),
    }
    name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
    folder = run.project.scratch / "suspects"
    for other in folder.glob("*"):
        if other.name != name:
            remove(other)
    return folder / name
