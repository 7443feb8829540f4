"""COCO's metrics, CCPD's own score and the IoU of masks on photographs that training never saw, with intervals.

Also the figures slice by slice, errors by kind, thresholds chosen on val and, if the score is low, why.

Every detection is in `data/detections.parquet`; `reports/evaluation.html` shows it all.
"""

from typing import Any

import dagster as dg
import pandas as pd

from plates.ccpd.score import AUTHORS
from plates.ccpd.subsets import TESTING
from plates.efficientdet.evaluation import report
from plates.efficientdet.evaluation.matching import match
from plates.efficientdet.evaluation.metrics import summarize
from plates.files import atomic, write_json
from plates.metrics import SCORES, measured
from plates.pages import plots, sheets
from plates.pages.pictures import Picture
from plates.photographs.content import Photographs
from plates.photographs.looks import looks
from plates.scoring import drawn
from plates.scoring.detections import SCHEMA, Found, detections, parts
from plates.scoring.mistakes import mistakes
from plates.scoring.scores import Boxes, scores
from plates.scoring.truth import identity, numbering, real, shared_plates, truth
from plates.scoring.working_points import BEST_F1, calibration, thresholds, working_points
from plates.why.evidence import of_scores
from plates.why.verdict import Verdict, verdict
from stages.run import Run
from stages.stage import Output, asset


@asset(
    reads=[
        "data/boxes.parquet",
        "data/rejected.parquet",
        "data/splits.parquet",
        "data/tfrecords",
        "data/anchors.json",
        "models/checkpoint",
    ],
    params=["model", "train", "augment", "nms", "evaluation", "anchors.min_recall", "split.max_psi", "split.max_ks"],
    writes=[
        Output("data/detections.parquet", schema=SCHEMA),
        Output("data/detections_val.parquet", schema=SCHEMA),
        "reports/evaluation.html",
        "plots/precision_recall.csv",
        "plots/f1.csv",
        "plots/reliability.csv",
        "plots/loss.csv",
        "metrics/evaluation.json",
        Output(SCORES, cache=False, metric=True),
        "metrics/thresholds.json",
    ],
    group="model",
    kinds={"tensorflow", "html"},
    description=__doc__,
    pool="gpu",
)
def evaluation(run: Run) -> dict[str, Any]:
    path, params = run.project.path, run.params.evaluation
    expected = truth(run.project, params.split, with_regions=True)
    found = found_on(run, params.split, "data/detections.parquet")
    found_on_val = found_on(run, "val", "data/detections_val.parquet")
    figures, boxes = scores(found, expected, params.max_detections, looks_of(run, expected))
    history = pd.read_csv(path("models/checkpoint/history.csv"))
    metrics = figures | {"split": params.split, "steps": int(history["step"].max())}
    metrics |= {"test_set": identity(expected), "numbering": numbering(expected)}
    metrics["plates_in_train_too"] = shared_plates(truth(run.project, "train"), expected)
    chosen = {}
    if boxes and found.file and found_on_val.file:
        val, labels, most = truth(run.project, "val", with_regions=True), found.label_map, params.max_detections
        on_val = match(parts(found_on_val.file), val, labels, most)
        points = working_points(on_val, boxes.tally.matches, params.promise)
        chosen = thresholds(points)
        metrics |= {
            "mAP_on_val": summarize(on_val).metrics.mAP if real(val)["class"].notna().any() else None,
            "thresholds": points,
            "calibration": calibration(boxes.tally.matches),
            "errors": mistakes(found.file, expected, labels, most, chosen.get(BEST_F1, 0.0)),
        }
    steps = history[["step", "loss", "cls", "box", "seg", "learning_rate", "validation"]]
    tables = drawn.curves(boxes, metrics.get("calibration", {})) | {"loss": steps}
    for name, table in tables.items():
        with atomic(path(f"plots/{name}.csv")) as temporary:
            table.to_csv(temporary, index=False)
    pictures = worst(run, boxes, expected)
    why = verdict(of_scores(run.project, run.project.declared_params(), metrics))
    report.write(
        path("reports/evaluation.html"),
        title=f"{run.params.model.name} on {metrics['images']:,} {metrics['split']} photographs",
        metrics=metrics,
        published=AUTHORS if set(expected["subset"]) & set(TESTING) else {},
        facts={
            "photographs": "the generated sample" if run.project.draws_sample else str(run.project.photographs),
            "training": f"{metrics['steps']:,} steps of {run.params.train.batch_size}",
            "test set": metrics["test_set"],
            "which data made it": "plates lineage",
        },
        tables=tables,
        thresholds=chosen,
        worst=pictures,
        why=why.to_json(),
    )
    write_json(path("metrics/thresholds.json"), chosen)
    write_json(path("metrics/evaluation.json"), metrics)
    write_json(path(SCORES), measured(metrics))
    return said(metrics) | {
        **shown(tables, chosen, pictures),
        "why": why.answer,
        "causes": dg.MetadataValue.md(causes(why)),
        "report": dg.MetadataValue.path(str(path("reports/evaluation.html"))),
    }


def found_on(run: Run, split: str, file: str) -> Found:
    """The checkpoint's detections on a split, whose labelled boxes are in `file`."""
    path, progress = run.project.path, run.progress(f"{split} photographs")
    return detections(run.project, path("models/checkpoint"), split, path(file), progress)


def looks_of(run: Run, expected: pd.DataFrame) -> pd.DataFrame | None:
    """Brightness, contrast and sharpness by image id, where the labels do not give them."""
    if expected["brightness"].notna().any():
        return None
    images = expected.drop_duplicates("image_id").set_index("image_id")
    photographs = Photographs.of(run.project)
    return looks(photographs, images, run.progress("photographs measured"))


def worst(run: Run, boxes: Boxes | None, expected: pd.DataFrame) -> list[Picture]:
    """The worst photographs, with truth and detection."""
    photographs = Photographs.of(run.project)

    def found(ids: list[int]) -> pd.DataFrame:
        return pd.read_parquet(run.project.path("data/detections.parquet"), filters=[("image_id", "in", ids)])

    return drawn.worst(boxes, expected, found, photographs.file, run.params.evaluation.pictures)


def said(metrics: dict[str, Any]) -> dict[str, Any]:
    """The figures for Dagster: numbers that it plots over runs, and tables."""
    shown: dict[str, Any] = {**measured(metrics), "images": metrics.get("images")}
    for name, between in metrics.get("intervals", {}).items():
        if between:
            shown |= {f"{name} low": between[0], f"{name} high": between[1]}
    tables = {"by subset": metrics.get("by_subset"), "slices": metrics.get("slices")}
    tables["errors"] = metrics.get("errors", {}).get("kinds")
    for name, rows in tables.items():
        shown[name] = dg.MetadataValue.md(pd.DataFrame(rows or []).round(3).to_markdown(index=False))
    if "thresholds" in metrics:
        shown |= {f"threshold {name}": value for name, value in thresholds(metrics["thresholds"]).items()}
        shown |= {"worst slice": metrics["worst_slice"], "ECE": metrics["calibration"]["ece"]}
    return {name: value for name, value in shown.items() if value is not None}


def causes(why: Verdict) -> str:
    """What `plates why` says, as a table."""
    rows = [
        {"cause": one.cause, "seen": one.sentence, "for": "; ".join(one.speaks_for), "against": "; ".join(one.against)}
        | {"change": one.turn, "look at": one.sure}
        for one in why.findings
    ]
    return pd.DataFrame(rows).to_markdown(index=False) if rows else why.answer


def shown(tables: dict[str, pd.DataFrame], chosen: dict[str, float], worst: list[Picture]) -> dict[str, Any]:
    """The report's pictures for Dagster."""
    with plots.text_as_pixels():
        figures = [plots.picture(figure, title) for title, figure in report.figures(tables, chosen).items()]
    curves = {figure.caption: dg.MetadataValue.md(sheets.markdown_plot(figure)) for figure in figures}
    return curves | {"worst": dg.MetadataValue.md(sheets.markdown(worst))}
