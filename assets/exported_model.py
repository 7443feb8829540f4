"""The detector to take away: a SavedModel from JPEG bytes to boxes, and the network as ONNX and what else is asked for.

Its numbers are compared with the checkpoint's on test photographs; a check stops what comes after when they differ.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from plates.files import atomic, write_json
from plates.hashes import content_hash
from stages.run import Run
from stages.stage import asset

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
    from plates.efficientdet.inference.agreement import LIMITS, agreement
    from plates.efficientdet.inference.export import describe, export
    from plates.efficientdet.inference.runtimes import open_network, part
    from plates.efficientdet.inference.speed import milliseconds

    path, params = run.project.path, run.params
    checkpoint, formats = path("models/checkpoint"), params.export.formats
    model = saved_detector.load(checkpoint)
    photographs = list(islice(jpegs(run, params.evaluation.split), COMPARED))
    thresholds = json.loads(path("metrics/thresholds.json").read_text(encoding="utf-8"))
    for name, threshold in thresholds.items():
        if threshold < params.export.score_threshold:
            run.progress.say(
                f"threshold {name} is {threshold:.3f}, and under export.score_threshold "
                f"({params.export.score_threshold:g}) the model does not answer: lower that to act on {name}"
            )
    description = describe(model, params.nms, params.export, thresholds, content_hash(checkpoint))
    with atomic(path("models/export/model")) as folder:
        export(model, description, formats, folder)
        differences = agreement(model, formats, folder, photographs)
        largest = {
            f"{form} {output}": value for form, outputs in differences.items() for output, value in outputs.items()
        }
        agrees = all(value <= LIMITS[name.rsplit(" ", 1)[1]] for name, value in largest.items())
        content = {"images": len(photographs), "agrees": agrees, "limits": LIMITS, "differences": largest}
        write_json(folder / "agreement.json", content)
    costs: dict[str, float] = {}
    for name in formats:
        costs[f"{name} MiB"] = round(size(path("models/export/model") / part(name)) / 2**20, 2)
        for count, value in milliseconds(open_network(path("models/export/model"), name)).items():
            costs[f"{name} ms for {count}"] = round(value, 2)
    return {"formats": ", ".join(formats), "agrees": agrees, **costs, **largest}


def jpegs(run: Run, split: str) -> Iterator[bytes]:
    """The photographs of a split."""
    from plates.efficientdet.data.tfrecords import read, read_manifest

    folder = run.project.path("data/tfrecords")
    for shard in read_manifest(folder).split(split).shards:
        yield from (record.encoded for record in read(folder / shard.file))


def size(path: Path) -> int:
    """Bytes of a file, or of all that is in a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
