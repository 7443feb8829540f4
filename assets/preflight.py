"""What can be checked before training begins: anchors, augmentation, classes, labels, rate and batch norm.

It stops the run only if nothing could be learned; other problems are reported, and `plates why` takes them into
account. The answers are in `metrics/preflight.json`; `data/preflight.txt` only says that training may begin, so a
changed answer does not retrain.
"""

from typing import Any

import dagster as dg
import pandas as pd

from plates.errors import UserError
from plates.files import atomic, read_json, write_json
from plates.scoring.truth import truth
from stages.run import Run
from stages.stage import Output, asset


@asset(
    reads=["data/boxes.parquet", "data/splits.parquet", "data/tfrecords", "data/anchors.json"],
    params=["model", "train", "augment", "anchors.min_recall"],
    writes=["data/preflight.txt", Output("metrics/preflight.json", cache=False)],
    group="model",
    kinds={"json", "numpy"},
    description=__doc__,
)
def preflight(run: Run) -> dict[str, Any]:
    from plates.efficientdet.config.run_length import batch_norm_momentum, number_of_steps
    from plates.efficientdet.data.tfrecords.manifest import read_manifest
    from plates.efficientdet.model.family import check_classes, resolve
    from plates.why import preflight as questions
    from plates.why.content import typical_detail

    path, params = run.project.path, run.params
    manifest = read_manifest(path("data/tfrecords"))
    fitted = read_json(path("data/anchors.json"))
    check_classes(params.model.label_map, params.model.num_classes, manifest.label_map)
    labels = truth(run.project)
    steps = number_of_steps(params.train, manifest.split("train").images)
    answers = questions.answers(
        labels,
        resolve(params.model, num_classes=max(manifest.label_map), aspect_ratios=fitted["aspect_ratios"]),
        params.train,
        params.augment,
        manifest.label_map,
        steps,
        batch_norm_momentum(params.train, steps),
        params.anchors.min_recall,
        typical_detail(run.project, labels),
    )
    write_json(path("metrics/preflight.json"), questions.to_json(answers))
    wrong = questions.worst(answers)
    for answer in wrong:
        run.progress.say(f"{answer.question}: no. {answer.said}")
    if wrong and wrong[0].hopeless:
        raise UserError(f"training would learn nothing: {wrong[0].said}")
    with atomic(path("data/preflight.txt")) as temporary:
        temporary.write_text("training may begin\n", encoding="utf-8")
    table = pd.DataFrame([[one.question, "yes" if one.holds else "no", one.said] for one in answers])
    return {
        "questions": len(answers),
        "problems": len(wrong),
        "answers": dg.MetadataValue.md(table.set_axis(["question", "holds", "seen"], axis=1).to_markdown(index=False)),
        **{f"{one.question}: {name}": value for one in answers for name, value in one.figures.items()},
    }
