"""The model in service. It moves only through the gate: a challenger that scores too low leaves it where it is."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from plates.files import atomic, put_back, write_json
from plates.lineage.gate import decide
from plates.quiet import import_tensorflow
from plates.scoring.detections import detections
from plates.scoring.scores import scores
from plates.scoring.truth import truth
from stages.run import Run
from stages.stage import Output, asset


@asset(
    reads=[
        "data/boxes.parquet",
        "data/splits.parquet",
        "data/tfrecords",
        "models/checkpoint",
        "models/export/model",
        "models/export/record.json",
        "metrics/evaluation.json",
    ],
    params=["nms", "evaluation", "gate"],
    writes=[
        Output("models/champion", persist=True),
        Output("models/champion.json", cache=False, persist=True),
    ],
    group="model",
    kinds={"json"},
    description=__doc__,
)
def champion(run: Run) -> dict[str, Any]:
    path, gate = run.project.path, run.params.gate
    file, folder = path("models/champion.json"), path("models/champion")
    current = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    current = current if current and current["record"] else None
    metrics = json.loads(path("metrics/evaluation.json").read_text(encoding="utf-8"))
    record = json.loads(path("models/export/record.json").read_text(encoding="utf-8"))["record"]
    challenger = {"record": record, "metrics": metrics, "test_set": metrics["test_set"]}
    put_back(folder)
    if current and current["record"] == record:
        reason = "this very model is in service"
        write_json(file, {**current, "decision": {"promoted": True, "reason": reason, "challenger": record}})
        return {"reason": reason, "promoted": True, gate.metric: metrics.get(gate.metric, "not measured")}

    def rescore() -> Mapping[str, Any]:
        import_tensorflow()
        split = run.params.evaluation.split
        file = run.project.scratch / "champion_detections.parquet"
        found = detections(run.project, folder / "checkpoint", split, file, run.progress(f"{split} photographs"))
        return scores(found, truth(run.project, split), run.params.evaluation.max_detections)[0]

    decision = decide(
        challenger,
        current,
        metric=gate.metric,
        min_value=gate.min_value,
        tolerance=gate.tolerance,
        rescore=rescore,
    )
    verdict = {"promoted": decision.promoted, "reason": decision.reason, "challenger": record}
    if decision.promoted:
        with atomic(folder) as temporary:
            shutil.copytree(path("models/export/model"), temporary / "model")
            shutil.copytree(path("models/checkpoint"), temporary / "checkpoint")
        current = challenger
    folder.mkdir(parents=True, exist_ok=True)  # DVC asks for it, with a champion in it or not
    write_json(file, {**(current or {"record": None}), "decision": verdict})
    return {"reason": decision.reason, "promoted": decision.promoted, gate.metric: decision.challenger}
