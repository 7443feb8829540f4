"""The detector to deploy: a SavedModel from JPEG bytes to boxes, and the network as ONNX and other formats asked for.

Its numbers are compared with the checkpoint's on test photographs; if they differ, a check stops everything downstream.
"""

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from plates.efficientdet.config.output import Exported
from plates.files import atomic, read_json, write_json
from plates.hashes import content_hash
from stages.run import Run
from stages.stage import asset

if TYPE_CHECKING:
    from plates.efficientdet.data.tfrecords import Example

COMPARED = 8


@asset(
    reads=["data/tfrecords", "models/checkpoint", "metrics/thresholds.json"],
    params=["nms", "evaluation.split", "export"],
    writes=["models/export/model"],
    group="model",
    kinds={"tensorflow", "onnx"},
    description=__doc__,
    pool="gpu",
)
def exported_model(run: Run) -> dict[str, Any]:
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.inference import fewer_bits
    from plates.efficientdet.inference.agreement import LIMITS, agreement
    from plates.efficientdet.inference.export import describe, export
    from plates.efficientdet.inference.runtimes import open_network, part
    from plates.efficientdet.inference.speed import mib, milliseconds

    path, params = run.project.path, run.params
    checkpoint = path("models/checkpoint")
    whole, fewer = params.export.whole, params.export.fewer_bits
    model = saved_detector.load(checkpoint)
    photographs = [example.encoded for example in examples(run, params.evaluation.split, COMPARED)]
    thresholds = read_json(path("metrics/thresholds.json"))
    for name, threshold in thresholds.items():
        if threshold < params.export.score_threshold:
            run.progress.say(
                f"threshold {name} is {threshold:.3f}, but the exported model drops detections under "
                f"export.score_threshold ({params.export.score_threshold:g}): lower that to act on {name}"
            )
    description = describe(model, params.nms, params.export, thresholds, content_hash(checkpoint))
    with atomic(path("models/export/model")) as folder:
        export(model, description, whole, folder)
        differences = agreement(model, whole, folder, photographs)
        largest = {
            f"{form} {output}": value for form, outputs in differences.items() for output, value in outputs.items()
        }
        agrees = all(value <= LIMITS[name.rsplit(" ", 1)[1]] for name, value in largest.items())
        content = {"images": len(photographs), "agrees": agrees, "limits": LIMITS, "differences": largest}
        write_json(folder / "agreement.json", content)
        judged: dict[str, str] = {}
        if fewer:
            train, validation = examples(run, "train", fewer_bits.CALIBRATED), examples(run, "val", fewer_bits.SCORED)
            limit = params.export.max_loss
            for name, outcome in fewer_bits.add(model, description, fewer, folder, train, validation, limit).items():
                judged[name] = f"{'kept' if outcome.kept(limit) else 'refused'}: {outcome}"
                run.progress.say(f"{name} is {judged[name]} (export.max_loss: {limit:g})")
    formats: list[Exported] = [*whole, *(name for name in fewer if judged[name].startswith("kept"))]
    costs: dict[str, float] = {}
    for name in formats:
        costs[f"{name} MiB"] = round(mib(path("models/export/model") / part(name)), 2)
        for count, value in milliseconds(open_network(path("models/export/model"), name)).items():
            costs[f"{name} ms for {count}"] = round(value, 2)
    return {"formats": ", ".join(formats), "agrees": agrees, **costs, **largest, **judged}


def examples(run: Run, split: str, count: int) -> "list[Example]":
    """The first photographs of a split, with their boxes."""
    from plates.efficientdet.data.tfrecords import read, read_manifest

    folder = run.project.path("data/tfrecords")
    shards = read_manifest(folder).split(split).shards
    return list(islice(chain.from_iterable(read(folder / shard.file) for shard in shards), count))
