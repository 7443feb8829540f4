"""TFRecords that the trainer reads, JPEG bytes passed through, in the TF Object Detection feature names.

They are shuffled with a seed before they are cut into shards, and the bytes are the same for any number of workers.
A killed run keeps its finished shards and continues. `manifest.json` counts and hashes every shard.
"""

from typing import Any

import dagster as dg
import pandas as pd

from plates.efficientdet.data import tfrecords as shards
from plates.photographs.content import Photographs
from plates.scoring.classes import FILE as LABEL_MAP
from plates.scoring.classes import classes
from plates.scoring.ignored import REJECTED, regions
from stages.run import Run
from stages.stage import asset


@asset(
    reads=["data/boxes.parquet", LABEL_MAP, REJECTED, "data/splits.parquet"],
    params=["tfrecords"],
    writes=["data/tfrecords"],
    group="data",
    kinds={"tfrecord"},
    description=__doc__,
    keeps="the shards already finished",
)
def tfrecords(run: Run) -> dict[str, Any]:
    path, params = run.project.path, run.params.tfrecords
    names = classes(run.project)
    manifest = shards.write_images(
        shards.images_from(path("data/boxes.parquet"), path("data/splits.parquet"), names, regions(path(REJECTED))),
        names,
        Photographs.of(run.project),
        path("data/tfrecords"),
        work=run.project.scratch / "tfrecords",
        seed=params.seed,
        shard_mib=params.shard_mib,
        workers=params.workers,
        progress=run.progress("TFRecords"),
    )
    written = pd.DataFrame(
        [
            {
                "split": name,
                "images": part.images,
                "boxes": part.boxes,
                "without a plate": part.negatives,
                "shards": len(part.shards),
                "MiB": round(sum(shard.bytes for shard in part.shards) / 2**20, 1),
            }
            for name, part in manifest.splits.items()
        ]
    )
    return {
        "TFRecords": int(written["images"].sum()),
        "classes": dg.MetadataValue.json({str(key): name for key, name in manifest.label_map.items()}),
        "splits": dg.MetadataValue.md(written.to_markdown(index=False)),
    }
