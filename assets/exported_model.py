"""The detector from JPEG bytes to boxes: a SavedModel with pre- and post-processing inside, and what else is asked for.

Its numbers are compared with the checkpoint's on test photographs; a check stops what comes after when they differ.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from plates.files import atomic, write_json
from stages.run import Run
from stages.stage import asset

COMPARED = 8
# As a share of the largest value. In a photograph 1,160 px high that is a tenth of a pixel, which moves the IoU of a
# plate of 120 x 40 px by less than 0.01; scores move by less than the third decimal. Other kernels (ONNX, LiteRT)
# differ by 1e-5, other weights or another pre-processing by over 1e-3.
TOLERANCE = 1e-4
# Of the cells of a mask: those on an outline may fall on either side.
MASK_TOLERANCE = 1e-3


@asset(
    reads=["data/tfrecords", "models/checkpoint", "metrics/thresholds.json"],
    params=["nms", "evaluation.split", "export"],
    writes=["models/export/model"],
    group="model",
    kinds={"tensorflow"},
    description=__doc__,
    pool="gpu",
)
def exported_model(run: Run) -> dict[str, Any]:
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.inference import export

    path = run.project.path
    model = saved_detector.load(path("models/checkpoint"))
    photographs = list(islice(jpegs(run), COMPARED))
    thresholds = json.loads(path("metrics/thresholds.json").read_text(encoding="utf-8"))
    for name, threshold in thresholds.items():
        if threshold < run.params.export.score_threshold:
            run.progress.say(
                f"threshold {name} is {threshold:.3f}, and under export.score_threshold "
                f"({run.params.export.score_threshold:g}) the model does not answer: lower that to act on {name}"
            )
    with atomic(path("models/export/model")) as folder:
        export.export(model, run.params.nms, run.params.export, folder, thresholds)
        differences = export.agreement(model, folder, photographs)
        largest = {
            f"{form} {output}": value for form, outputs in differences.items() for output, value in outputs.items()
        }
        limits = {name: MASK_TOLERANCE if name == "saved_model masks" else TOLERANCE for name in largest}
        agrees = all(value <= limits[name] for name, value in largest.items())
        content = {"images": len(photographs), "agrees": agrees, "tolerance": TOLERANCE, "differences": largest}
        write_json(folder / "agreement.json", json.loads(json.dumps(content)))
    size = sum(file.stat().st_size for file in path("models/export/model").rglob("*") if file.is_file())
    return {
        "formats": ", ".join(run.params.export.formats),
        "MiB": round(size / 2**20, 1),
        "largest difference from the checkpoint": max(largest.values()),
        "agrees": agrees,
    }


def jpegs(run: Run) -> Iterator[bytes]:
    """The photographs of the split that is evaluated."""
    from plates.efficientdet.data.tfrecords import read, read_manifest

    folder = run.project.path("data/tfrecords")
    for shard in read_manifest(folder).split(run.params.evaluation.split).shards:
        yield from (record.encoded for record in read(folder / shard.file))
