"""The detector from JPEG bytes to boxes: a SavedModel with pre- and post-processing inside, and what else is asked for.

Its numbers are compared with the checkpoint's on test photographs; a check stops what comes after when they differ.
"""

import json
from typing import Any

import pandas as pd

from assets.stage import Run, asset
from lineage.files import atomic, write_json

COMPARED = 8
TOLERANCE = 1e-3


@asset(deps=["checkpoint"], group="model", kinds={"tensorflow"}, description=__doc__, pool="gpu")
def exported_model(run: Run) -> dict[str, Any]:
    from efficientdet.inference import export, trained

    path = run.project.path
    model = trained.load(path("models/checkpoint"))
    splits = pd.read_parquet(path("data/splits.parquet"), columns=["path", "split"])
    chosen = splits.loc[splits["split"] == run.params.evaluation.split, "path"].head(COMPARED)
    photographs = [(run.project.photographs / name).read_bytes() for name in chosen]
    with atomic(path("models/export/model")) as folder:
        export.export(model, run.params.nms, run.params.export, folder)
        differences = export.agreement(model, folder, photographs)
        largest = {
            f"{form} {output}": value for form, outputs in differences.items() for output, value in outputs.items()
        }
        agrees = all(value <= TOLERANCE for value in largest.values())
        content = {"images": len(photographs), "agrees": agrees, "tolerance": TOLERANCE, "differences": largest}
        write_json(folder / "agreement.json", json.loads(json.dumps(content)))
    size = sum(file.stat().st_size for file in path("models/export/model").rglob("*") if file.is_file())
    return {
        "formats": ", ".join(run.params.export.formats),
        "MiB": round(size / 2**20, 1),
        "largest difference from the checkpoint": max(largest.values()),
        "agrees": agrees,
    }
