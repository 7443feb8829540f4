"""Third-party scorers, fed with our tables: pycocotools, COCO's own, and hotcoco, the same in Rust.

pycocotools is the judge: its figures and ours must be equal to the last digit. hotcoco brings what COCO's does not
have, such as types of errors.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from plates.efficientdet.evaluation.matching import class_ids, corner_and_size

FIGURES = (
    *("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR1", "AR10", "AR", "AR_small", "AR_medium", "AR_large"),
)


def pycocotools(
    detections: pd.DataFrame, truth: pd.DataFrame, label_map: Mapping[int, str], max_detections: int
) -> Any:
    """A `COCOeval` of pycocotools that has evaluated and accumulated the tables of `matching.match`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def coco(table: pd.DataFrame) -> COCO:
        made = COCO()
        columns = _columns(table, label_map)
        made.dataset = {
            "images": [{"id": int(image)} for image in truth["image_id"].unique()],
            "categories": [{"id": key, "name": name} for key, name in label_map.items()],
            "annotations": [
                {"id": number, **{name: value.tolist() for name, value in zip(columns, row, strict=True)}}
                for number, row in enumerate(zip(*columns.values(), strict=True), start=1)
            ],
        }
        made.createIndex()
        return made

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(coco(truth[truth["class"].notna()]), coco(detections), "bbox")
        evaluator.params.maxDets = [min(most, max_detections) for most in (1, 10, max_detections)]
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def hotcoco(detections: pd.DataFrame, truth: pd.DataFrame, label_map: Mapping[int, str], max_detections: int) -> Any:
    """The same of hotcoco."""
    from hotcoco import COCO, COCOeval

    boxes, found = _columns(truth[truth["class"].notna()], label_map), _columns(detections, label_map)
    coco = COCO.from_arrays(
        [{"id": int(image)} for image in truth["image_id"].unique()],
        [{"id": key, "name": name} for key, name in label_map.items()],
        boxes["image_id"],
        boxes["category_id"],
        boxes["bbox"],
        area=boxes["area"],
        iscrowd=boxes["iscrowd"],
    )
    columns = [found["image_id"], found["bbox"], found["score"], found["category_id"]]
    evaluator = COCOeval(coco, coco.load_res(np.column_stack(columns).astype(np.float64)), "bbox")
    evaluator.params.max_dets = [min(most, max_detections) for most in (1, 10, max_detections)]
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def figures(evaluator: Any) -> dict[str, float | None]:
    """`FIGURES` of either scorer; None if it has nothing to score."""
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    parts = [precision[..., 0, -1], precision[0, ..., 0, -1], precision[5, ..., 0, -1]]
    parts += [precision[..., size, -1] for size in (1, 2, 3)]
    parts += [recall[..., 0, most] for most in (0, 1, 2)] + [recall[..., size, -1] for size in (1, 2, 3)]
    known = [part[part > -1] for part in parts]
    return {name: float(part.mean()) if part.size else None for name, part in zip(FIGURES, known, strict=True)}


def _columns(table: pd.DataFrame, label_map: Mapping[int, str]) -> dict[str, np.ndarray]:
    bbox = corner_and_size(table)
    return {
        "image_id": table["image_id"].to_numpy(np.int64),
        "category_id": class_ids(table["class"], label_map),
        "bbox": bbox,
        "area": bbox[:, 2] * bbox[:, 3],
        "iscrowd": table["iscrowd"].to_numpy(np.int64) if "iscrowd" in table else np.zeros(len(table), np.int64),
        "score": table["score"].to_numpy(np.float64) if "score" in table else np.ones(len(table)),
    }
