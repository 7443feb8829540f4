"""What a checkpoint finds on one side of the records: for `evaluation`, and for `champion` to score again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from plates.settings.project import Project


@dataclass(frozen=True)
class Found:
    """`boxes` in the columns of `data/detections.parquet`, and `masks`, their IoU by class.

    None for a head that the detector does not have.
    """

    boxes: pd.DataFrame | None
    masks: dict[str, float] | None
    label_map: dict[int, str]


COLUMNS = ["image_id", "path", "subset", "class", "score", "xmin", "ymin", "xmax", "ymax"]


def detections(
    project: Project, folder: Path, split: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> Found:
    """All that the checkpoint in `folder` finds on `split` of the project's records.

    Args:
        project: where the TFRecords, the splits and the settings of post-processing are.
        folder: of a checkpoint.
        split: train, val or test.
        progress: called with photographs done and to do.
    """
    from plates.efficientdet.checkpoints import saved_detector
    from plates.efficientdet.data.tfrecords import read, read_manifest
    from plates.efficientdet.data.tfrecords.example import Example
    from plates.efficientdet.inference.predictor import Predictor, detect, mask_iou

    model = saved_detector.load(folder)
    shards = project.path("data/tfrecords")
    part = read_manifest(shards).split(split)
    batch_size = project.params.evaluation.batch_size

    def records() -> Iterator[Example]:
        done = 0
        for shard in part.shards:
            for record in read(shards / shard.file):
                yield record
                done += 1
                progress(done, part.images)

    boxes, masks = None, None
    if "object_detection" in model.spec.heads:
        boxes = detect(Predictor(model.network, model.spec, project.params.nms), records(), batch_size)
        subsets = pd.read_parquet(project.path("data/splits.parquet"), columns=["image_id", "subset"])
        boxes = boxes.merge(subsets, on="image_id", how="left", validate="many_to_one")[COLUMNS]
        boxes = boxes.sort_values(["image_id", "score"], ascending=[True, False], kind="stable")
    if "segmentation" in model.spec.heads:
        masks = mask_iou(model, shards, split, batch_size)
    return Found(boxes, masks, model.label_map)
