"""What a checkpoint finds on one split of the TFRecords: for `evaluation`, and for `champion` to score again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plates.columns import BOX, CORNERS
from plates.files import atomic
from plates.settings.project import Project

WORDS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("path", WORDS),
        ("subset", WORDS),
        ("class", pa.int32()),
        ("score", pa.float32()),
        *((side, pa.float32()) for side in (*BOX, *CORNERS)),
    ]
)
"""The corners are null if the detector finds none."""

TO_MATCH = ("image_id", "class", "score", *BOX)
TO_SCORE = (*TO_MATCH, *CORNERS)


@dataclass(frozen=True)
class Found:
    """What a detector found.

    Attributes:
        file: the detections, Parquet of `SCHEMA`; None if it has no boxes.
        masks: IoU by class; None if it has no masks.
        label_map: class id to name.
        image_size: (height, width) of the network's input.
        corners: whether it finds corners.
    """

    file: Path | None
    masks: dict[str, float] | None
    label_map: dict[int, str]
    image_size: tuple[int, int]
    corners: bool = False


def detections(
    project: Project,
    folder: Path,
    split: str,
    file: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Writes all that a checkpoint finds, a row group for each shard, so that memory does not grow with the split.

    Args:
        project: where the TFRecords, the splits and the settings of post-processing are.
        folder: of the checkpoint.
        split: train, val or test.
        file: where the detections go; without rows if the detector has no boxes.
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
    boxes = "object_detection" in model.spec.heads
    subsets = pd.read_parquet(project.path("data/splits.parquet"), columns=["image_id", "subset"])
    done = 0

    def examples(shard: Path) -> Iterator[Example]:
        nonlocal done
        for example in read(shard):
            yield example
            done += 1
            progress(done, part.images)

    with atomic(file) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        predictor = Predictor(model.network, model.spec, project.params.nms)
        for shard in part.shards if boxes else ():
            rows = detect(predictor, examples(shards / shard.file), batch_size)
            rows = rows.merge(subsets, on="image_id", how="left", validate="many_to_one")
            writer.write_table(pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False))
    masks = mask_iou(model, shards, split, batch_size) if "segmentation" in model.spec.heads else None
    corners = "corners" in model.spec.heads
    return Found(file if boxes else None, masks, model.label_map, model.spec.image_size, corners)


def parts(file: Path, columns: Sequence[str] = TO_SCORE) -> Iterator[pd.DataFrame]:
    """The detections of a file, some photographs at a time, each of these whole."""
    content = pq.ParquetFile(file)
    for group in range(content.num_row_groups):
        yield content.read_row_group(group, columns=list(columns)).to_pandas()


def sample(
    file: Path, truth: pd.DataFrame, most: int, columns: Sequence[str] = TO_MATCH, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The detections in a file and the rows of `truth` of at most `most` photographs, drawn with a seed."""
    images = truth["image_id"].unique()
    if len(images) > most:
        images = np.random.default_rng(seed).choice(images, most, replace=False)
    found = pd.read_parquet(file, columns=list(columns), filters=[("image_id", "in", images.tolist())])
    return found, truth[truth["image_id"].isin(images)]
