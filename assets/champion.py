"""The model in service. It moves only through the gate.

A challenger that is worse than the best model ever in service, by more than chance and `gate.margin`, is refused. Both
are scored on the same photographs, overall and slice by slice. A challenger is judged once; every decision is kept in
`lineage/decisions` with its evidence.
"""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from plates.errors import UserError
from plates.lineage import champion as champions
from plates.lineage import gate
from plates.lineage import record as records
from plates.lineage.champion import InService
from plates.lineage.record import Record
from plates.lineage.timeline import markdown
from plates.quiet import import_tensorflow
from plates.scoring.compare import compare
from plates.scoring.detections import detections, parts
from plates.scoring.truth import identity, truth
from stages.run import Run
from stages.stage import Output, asset

BY_FIGURE = "mask_iou"


@asset(
    reads=[
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
    record = records.find(root, _json(run.project.path("models/export/record.json"))["record"])
    service = in_service(run)
    judged = next((one for one in champions.decisions(root) if one.challenger == record.id), None)
    if judged is None:
        decision, scored, test_set = judge(run, record, service)
        judged = champions.verdict(
            root,
            "gate",
            record.id,
            service,
            promoted=decision.promoted,
            reason=decision.reason,
            evidence=list(decision.evidence),
            test_set=test_set,
        )
        if decision.promoted:
            best = service.best if service and not better(decision) else None
            champions.put_in_service(root, record, judged, best, scored if best else None, test_set)
        else:
            champions.keep_in_service(root, service, judged)
    else:
        champions.point(root, service, champions.decisions(root)[-1])
    served = {one.challenger for one in champions.decisions(root) if one.promoted}
    return {
        "reason": judged.reason,
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


def judge(run: Run, record: Record, service: InService | None) -> tuple[gate.Decision, Path | None, str | None]:
    """The gate's decision; if the best model was scored again, also its detections and their test set."""
    limits, path = run.params.gate, run.project.path
    rule = gate.Rule(limits.metric, limits.min_value, limits.margin)
    called = f"record {service.best[:8]}" if service else None
    if limits.metric == BY_FIGURE:
        best = records.find(run.project.root, service.best).metrics if service else None
        return gate.decide_by_figure(record.metrics, best, rule, best=called), None, None
    table, scored, test_set = None, None, record.metrics["test_set"]
    if service is not None:
        expected = truth(run.project, run.params.evaluation.split, with_regions=True)
        labels = same_classes(run, service)
        scored = path(champions.FOLDER) / "best" / "detections.parquet"
        if service.test_set != identity(expected):
            import_tensorflow()
            scored = run.project.scratch / "best_detections.parquet"
            progress = run.progress(f"{run.params.evaluation.split} photographs, by the best model")
            folder = path(champions.FOLDER) / "best" / "checkpoint"
            detections(run.project, folder, run.params.evaluation.split, scored, progress)
        size = _json(path("models/checkpoint") / "model.json")["spec"]["image_size"]
        most = run.params.evaluation.max_detections
        old, new = parts(scored), parts(path("data/detections.parquet"))
        table = compare(old, new, expected, labels, size, most, fewest=gate.FEWEST)
    agreement = _json(path("models/export/model") / "agreement.json")
    return gate.decide(record.metrics, table, rule, best=called, agrees=agreement["agrees"]), scored, test_set


def same_classes(run: Run, service: InService) -> dict[int, str]:
    """Class id to name; `UserError` if the best model in service has other classes."""
    ours = champions.label_map(run.project.path("models/checkpoint"))
    theirs = champions.label_map(run.project.path(champions.FOLDER) / "best" / "checkpoint")
    if ours != theirs:
        raise UserError(
            f"the best model in service finds {theirs}, the new one {ours}: no figure compares them. To put the new "
            "one in service: plates promote ID --because 'other classes' (plates lineage lists the ids)"
        )
    return dict(ours)


def better(decision: gate.Decision) -> bool:
    """Whether the challenger raises the bar: its figure is above the best model's on the same photographs."""
    return not decision.evidence or decision.evidence[0]["difference"] > 0


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
