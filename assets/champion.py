"""The model in service. It moves only through the gate.

A challenger that is worse than the best model ever in service, by more than chance and `gate.margin`, is refused. Both
are scored on the same photographs, overall and slice by slice. A challenger is judged once; every decision is kept in
`lineage/decisions` with its evidence.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from plates.errors import UserError
from plates.files import read_json
from plates.hashes import content_hash
from plates.lineage import champion as champions
from plates.lineage import gate
from plates.lineage import record as records
from plates.lineage.champion import InService
from plates.lineage.checkpoint import described, label_map
from plates.lineage.record import Record
from plates.lineage.timeline import markdown
from plates.lineage.training_set import PHOTOGRAPHS, SPLITS, learnt, trained_on
from plates.quiet import import_tensorflow
from plates.scoring.compare import compare
from plates.scoring.detections import Found, detections, parts
from plates.scoring.scores import scores
from plates.scoring.truth import identity, numbering, truth
from stages.run import Run
from stages.stage import Output, asset

BY_FIGURE = "mask_iou"


@asset(
    reads=[
        "data/raw_images.parquet",
        "data/boxes.parquet",
        "data/rejected.parquet",
        "data/splits.parquet",
        "data/tfrecords",
        "data/detections.parquet",
        "models/checkpoint",
        "models/export/model",
        "models/export/record.json",
    ],
    params=["nms", "evaluation", "gate"],
    writes=[
        Output(champions.FOLDER, persist=True),
        Output(champions.POINTER, cache=False, persist=True),
        Output(champions.DECISIONS, cache=False, persist=True),
    ],
    group="model",
    kinds={"json"},
    description=__doc__,
)
def champion(run: Run) -> dict[str, Any]:
    root, metric = run.project.root, run.params.gate.metric
    record = records.find(root, read_json(run.project.path("models/export/record.json"))["record"])
    service = in_service(run)
    judged = next((one for one in champions.decisions(root) if one.challenger == record.id), None)
    new = judged is None
    if judged is None:
        decision, scored = judge(run, record, service)
        judged = champions.verdict(
            root,
            "gate",
            record.id,
            service,
            promoted=decision.promoted,
            reason=decision.reason,
            evidence=list(decision.evidence),
            test_set=record.metrics["test_set"],
        )
        if decision.promoted:
            best = service.best if service and not better(decision) else None
            on = {name: record.metrics[name] for name in ("test_set", "numbering")} if best else {}
            champions.put_in_service(root, record, judged, best, scored if best else None, **on)
        else:
            champions.keep_in_service(root, service, judged)
    else:
        champions.point(root, service, champions.decisions(root)[-1])
    served = {one.challenger for one in champions.decisions(root) if one.promoted}
    return {
        "reason": judged.reason if new else f"record {record.short} was judged before: {judged.reason}",
        "promoted": judged.promoted,
        metric: record.metrics.get(metric, "not measured"),
        "decision": judged.id,
        "timeline": dg.MetadataValue.md(markdown(records.read_all(root), served)),
    }


def in_service(run: Run) -> InService | None:
    """The model in service; a missing or damaged folder is restored from the cache, and the run says so."""
    try:
        return champions.settled(run.project.root)
    except UserError as error:
        back = champions.repair(run.project.root)
        run.progress.say(f"{error} Done: record {back[:8]} is back from the cache.")
        return champions.settled(run.project.root)


def judge(run: Run, record: Record, service: InService | None) -> tuple[gate.Decision, Path | None]:
    """The gate's decision; if the best model was scored again, also its detections."""
    limits, path = run.params.gate, run.project.path
    rule = gate.Rule(limits.metric, limits.min_value, limits.margin)
    agrees = read_json(path("models/export/model") / "agreement.json")["agrees"]
    if service is None:
        return gate.decide(record.metrics, None, rule, best=None, agrees=agrees), None
    best = records.find(run.project.root, service.best)
    called = f"record {best.short}"
    expected = truth(run.project, run.params.evaluation.split, with_regions=True)
    fair = unseen(run, best, expected)
    if limits.metric == BY_FIGURE:
        bar = by_figure(run, record, best, expected if len(fair) == len(expected) else None)
        return gate.decide_by_figure(record.metrics, bar, rule, best=called, agrees=agrees), None
    labels = same_classes(run, service)
    scored = path(champions.FOLDER) / "best" / "detections.parquet"
    if (service.test_set, service.numbering) != (identity(expected), numbering(expected)):
        scored = run.project.scratch / "best_detections.parquet"
        look(run, scored)
    size = read_json(path("models/checkpoint") / "model.json")["spec"]["image_size"]
    most, kept = run.params.evaluation.max_detections, set(fair["image_id"])
    old, new = (
        (table[table["image_id"].isin(kept)] for table in parts(file))
        for file in (scored, path("data/detections.parquet"))
    )
    table = compare(old, new, fair, labels, size, most, fewest=gate.FEWEST)
    decision = gate.decide(record.metrics, table, rule, best=called, agrees=agrees)
    if gone := expected["image_id"].nunique() - len(kept):
        said = f"{decision.reason}; {gone:,} photographs are left out, which {called} was trained or selected on"
        decision = replace(decision, reason=said)
    return decision, scored


def unseen(run: Run, best: Record, expected: pd.DataFrame) -> pd.DataFrame:
    """The rows of photographs that the best model was neither trained nor selected on: a split may have changed."""
    if best.outputs.get(SPLITS) == content_hash(run.project.path(SPLITS)):
        return expected
    seen = trained_on(run.project.root, best)
    if seen is None:
        run.progress.say(
            f"which photographs record {best.short}, the best model, was trained on is not known: DVC's "
            "cache lacks its splits or its photographs' hashes. All count. If a remote has them: dvc pull --all-commits"
        )
        return expected
    left = expected[~learnt(expected, seen, run.project.path(PHOTOGRAPHS))].reset_index(drop=True)
    if left["class"].isna().all():
        raise UserError(
            f"no plate is left to compare on: record {best.short}, the best model in service, was trained or selected "
            f"on the {run.params.evaluation.split} photographs of now. {gate.new_bar('another split')}"
        )
    return left


def by_figure(run: Run, record: Record, best: Record, expected: pd.DataFrame | None) -> Mapping[str, Any]:
    """The best model's metrics on the photographs of `record`, scored again if its own are of others.

    Args:
        run: of the asset.
        record: of the challenger.
        best: of the best model.
        expected: the photographs to score; None if some cannot count.
    """
    if expected is None:
        raise UserError(
            f"record {best.short}, the best model in service, was trained or selected on some of the "
            f"{run.params.evaluation.split} photographs, and {BY_FIGURE} cannot leave them out. "
            f"{gate.new_bar('another split')}"
        )
    if best.metrics.get(BY_FIGURE) is None or best.metrics["test_set"] == record.metrics["test_set"]:
        return best.metrics
    found = look(run, run.project.scratch / "best_detections.parquet")
    return scores(replace(found, file=None), expected, run.params.evaluation.max_detections)[0]


def look(run: Run, file: Path) -> Found:
    """What the best model finds in the photographs of now, written to `file`."""
    import_tensorflow()
    split, folder = run.params.evaluation.split, run.project.path(champions.FOLDER) / "best" / "checkpoint"
    return detections(run.project, folder, split, file, run.progress(f"{split} photographs, by the best model"))


def same_classes(run: Run, service: InService) -> dict[int, str]:
    """Class id to name; `UserError` if the best model in service has other classes."""
    ours = label_map(described(run.project.path("models/checkpoint")))
    theirs = label_map(described(run.project.path(champions.FOLDER) / "best" / "checkpoint"))
    if ours != theirs:
        raise UserError(
            f"the best model in service finds {theirs}, the new one {ours}: no figure compares them. "
            f"{gate.new_bar('other classes')}"
        )
    return ours


def better(decision: gate.Decision) -> bool:
    """Whether the challenger raises the bar: its figure is above the best model's on the same photographs."""
    return not decision.evidence or decision.evidence[0]["difference"] > 0
