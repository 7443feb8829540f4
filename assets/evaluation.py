"""COCO metrics, CCPD's own score and the IoU of masks on photographs that training never saw, over all and by subset.

Every detection is in `data/detections.parquet`; `reports/evaluation.html` shows the curves, the best and the worst.
"""

from typing import Any

import dagster as dg
import pandas as pd

from plates.files import atomic, write_json, write_parquet
from plates.lineage.gate import METRICS
from plates.scoring.detections import COLUMNS, detections
from plates.scoring.scores import scores
from plates.scoring.truth import identity, truth
from stages.run import Run
from stages.stage import Output, asset


@asset(
    reads=["data/boxes.parquet", "data/splits.parquet", "data/tfrecords", "models/checkpoint"],
    params=["model.name", "train.batch_size", "nms", "evaluation"],
    writes=[
        "data/detections.parquet",
        "reports/evaluation.html",
        Output("plots/precision_recall.csv", cache=False),
        Output("plots/loss.csv", cache=False),
        Output("metrics/evaluation.json", cache=False, metric=True),
    ],
    group="model",
    kinds={"tensorflow", "html"},
    description=__doc__,
    pool="gpu",
)
def evaluation(run: Run) -> dict[str, Any]:
    path, params = run.project.path, run.params.evaluation
    expected = truth(run.project, params.split)
    found = detections(
        run.project, path("models/checkpoint"), params.split, run.progress(f"{params.split} photographs")
    )
    boxes = pd.DataFrame(columns=COLUMNS) if found.boxes is None else found.boxes
    write_parquet(path("data/detections.parquet"), boxes)

    figures, whole = scores(found, expected, params.max_detections)
    history = pd.read_csv(path("models/checkpoint/history.csv"))
    metrics = figures | {
        "split": params.split,
        "steps": int(history["step"].max()),
        "test_set": identity(expected),
    }
    at_50 = pd.DataFrame(columns=["recall", "precision", "score"])
    if whole is not None:
        curves = whole.curves[whole.curves["iou"] == 0.5]
        at_50 = curves.groupby("recall", as_index=False)[["precision", "score"]].mean()
    _write_csv(path("plots/precision_recall.csv"), at_50)
    _write_csv(path("plots/loss.csv"), history[["step", "loss", "cls", "box", "seg", "learning_rate"]])
    report(run, metrics, boxes, expected, at_50, history)
    write_json(path("metrics/evaluation.json"), metrics)
    return {
        **{name: metrics[name] for name in (*METRICS, "images") if metrics.get(name) is not None},
        "by subset": dg.MetadataValue.md(pd.DataFrame(metrics.get("by_subset", [])).round(3).to_markdown(index=False)),
        "report": dg.MetadataValue.path(str(path("reports/evaluation.html"))),
    }


def report(
    run: Run,
    metrics: dict[str, Any],
    found: pd.DataFrame,
    expected: pd.DataFrame,
    precision_recall: pd.DataFrame,
    history: pd.DataFrame,
) -> None:
    """Writes the page with the curves and the most telling photographs."""
    from plates.ccpd.score import best_boxes
    from plates.efficientdet.evaluation.report import pictures, write

    outcomes = best_boxes(expected, found) if "mAP" in metrics else pd.DataFrame(columns=["iou", "score"])
    worst, best = pictures.extremes(outcomes, run.params.evaluation.pictures)

    def drawn(chosen: pd.DataFrame) -> list[pictures.Picture]:
        return [
            pictures.draw(
                run.project.photographs / row.path,
                expected[(expected["path"] == row.path) & expected["class"].notna()],
                found[found["path"] == row.path].nlargest(1, "score"),
                f"{row.subset}, IoU {row.iou:.2f}, score {row.score:.2f}",
            )
            for row in chosen.itertuples()
        ]

    write(
        run.project.path("reports/evaluation.html"),
        title=f"{run.params.model.name} on {metrics['images']:,} {metrics['split']} photographs",
        metrics=metrics,
        facts={
            "photographs": "the generated sample" if run.project.draws_sample else str(run.project.photographs),
            "training": f"{metrics['steps']:,} steps of {run.params.train.batch_size}",
            "test set": metrics["test_set"],
            "which data made it": "plates lineage",
        },
        precision_recall=None if precision_recall.empty else precision_recall,
        history=history,
        worst=drawn(worst),
        best=drawn(best),
    )


def _write_csv(path: Any, table: pd.DataFrame) -> None:
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)
