"""Detections of a checkpoint on one side of the records: for `evaluation`, and for `champion` to score again."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from assets.stage import Run


def detections(run: Run, folder: Path, split: str) -> tuple[pd.DataFrame, dict[int, str]]:
    """All that the checkpoint in `folder` finds, in the columns of `data/detections.parquet`, and its label map."""
    from efficientdet.data.records import read, read_manifest
    from efficientdet.data.records.record import Record
    from efficientdet.inference import trained
    from efficientdet.inference.predict import Predictor, detect

    model = trained.load(folder)
    shards = run.project.path("data/tfrecords")
    part = read_manifest(shards).split(split)
    advance = run.progress(f"{split} photographs")

    def records() -> Iterator[Record]:
        done = 0
        for shard in part.shards:
            for record in read(shards / shard.file):
                yield record
                done += 1
                advance(done, part.images)

    found = detect(Predictor(model.network, model.spec, run.params.nms), records())
    subsets = pd.read_parquet(run.project.path("data/splits.parquet"), columns=["image_id", "subset"])
    found = found.merge(subsets, on="image_id", how="left", validate="many_to_one")
    found = found[["image_id", "path", "subset", "class", "score", "xmin", "ymin", "xmax", "ymax"]]
    return found.sort_values(["image_id", "score"], ascending=[True, False], kind="stable"), model.label_map
