"""What the data looks like: numbers, plots, and contact sheets of accepted, rejected and augmented pictures."""

from typing import Any

import dagster as dg
import pandas as pd

from plates.files import read_json
from plates.scoring.label_noise import label_noise
from plates.splits.shift import between_splits, sentences
from stages.run import Run
from stages.stage import asset

AUGMENTED = 12


@asset(
    reads=[
        "data/boxes.parquet",
        "data/rejected.parquet",
        "data/splits.parquet",
        "data/tfrecords",
        "reports/validation.json",
    ],
    params=["data.root", "split", "model", "augment", "train.seed"],
    writes=["reports/dataset_card.html"],
    group="data",
    kinds={"html", "tensorflow"},
    description=__doc__,
)
def dataset_card(run: Run) -> dict[str, Any]:
    from plates import card
    from plates.efficientdet.data.batches import preview
    from plates.efficientdet.data.samples import pictures
    from plates.efficientdet.model.family import resolve
    from plates.pages.drawing import Marks
    from plates.pages.pictures import from_array
    from plates.pages.sheets import markdown, markdown_plot

    path, params = run.project.path, run.params
    boxes = pd.read_parquet(path("data/boxes.parquet"))
    rejected = pd.read_parquet(path("data/rejected.parquet"))
    splits = pd.read_parquet(path("data/splits.parquet"))
    report = read_json(path("reports/validation.json"))
    spec = resolve(params.model, num_classes=1, aspect_ratios=[1.0])
    shown = pictures(spec, params.augment)
    seen = preview(path("data/tfrecords"), shown, params.augment, AUGMENTED, seed=params.train.seed)
    augmented = [from_array(image, [Marks(boxes[:, [1, 0, 3, 2]])]) for image, boxes, _ in seen]
    compared = between_splits([(boxes, splits)], max_psi=params.split.max_psi, max_ks=params.split.max_ks)
    skewed = [balance["sentence"] for balance in report["balance"] if not balance["success"]]
    noise = label_noise(boxes)
    findings = (
        ([noise.sentence] if noise and noise.ceiling < 1 else [])
        + skewed
        + sentences(compared)
        + sentences(pd.DataFrame(report["shift"]), "this delivery")
    )
    card.write(
        path("reports/dataset_card.html"),
        root=run.project.photographs,
        boxes=boxes,
        rejected=rejected,
        splits=splits,
        meanings={outcome["name"]: outcome["means"] for outcome in report["outcomes"]},
        findings=findings,
        since_last=report["shift"],
        between_splits=compared,
        augmented=augmented,
        title=f"Photographs of {params.data.root or 'the generated sample'}",
    )
    numbers = card.describe(boxes, rejected, splits)
    root = run.project.photographs
    parts = {
        "Accepted": markdown(card.accepted(boxes, root, count=AUGMENTED)),
        "Rejected": markdown(card.set_aside(rejected, root, 1)[:AUGMENTED]),
        "Augmented": markdown(augmented),
        "Balance": card.tables.balance(numbers),
        "Against the last delivery": card.tables.shift(report["shift"]),
        **{plot.caption: markdown_plot(plot) for plot in card.plots.pictures(boxes, splits)},
    }
    return {
        "page": dg.MetadataValue.md("\n\n".join(f"## {title}\n\n{content}" for title, content in parts.items())),
        "card": dg.MetadataValue.path(str(path("reports/dataset_card.html"))),
        "photographs": int(boxes["path"].nunique()),
        "numbers": dg.MetadataValue.json(numbers.model_dump(mode="json")),
    }
