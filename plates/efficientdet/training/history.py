"""The history of a run: one row a step, with what one asks afterwards when a run went wrong."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from plates.files import atomic


@dataclass(frozen=True)
class Row:
    """One step.

    Attributes:
        step: from 1.
        loss: the terms, each with its weight.
        cls: focal loss of the classes, per positive anchor. box: Huber loss of the offsets. iou: the IoU loss.
            seg: cross-entropy of the mask. 0 where a term is off. l2: what weight decay adds (not part of loss).
        gradient_norm: L2 norm of the whole gradient before clipping.
        positives, boxes, ignored, dropped: anchors matched, boxes learnt, boxes too small to learn and boxes that
            augmentation cut out of the picture, of a mean image.
        learning_rate: of this step.
        seconds: since the step before; images_per_second: batch size over seconds.
        validation: mAP of the averaged weights after this step (NaN: not evaluated at this step).
    """

    step: int
    loss: float
    cls: float
    box: float
    iou: float
    seg: float
    l2: float
    gradient_norm: float
    positives: float
    boxes: float
    ignored: float
    learning_rate: float
    dropped: float = 0.0
    seconds: float = float("nan")
    images_per_second: float = float("nan")
    validation: float = float("nan")


class History:
    """The rows of a run so far."""

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.rows = rows or []

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame([asdict(row) for row in self.rows], columns=[field.name for field in fields(Row)])

    def write(self, path: Path) -> None:
        """CSV with a header, floats at full precision, NaN as an empty field."""
        with atomic(path) as temporary:
            self.frame().to_csv(temporary, index=False)

    @classmethod
    def read(cls, path: Path) -> "History":
        with path.open(newline="", encoding="utf-8") as stream:
            records = list(csv.DictReader(stream))
        return cls(
            [
                Row(step=int(record.pop("step")), **{key: float(text or "nan") for key, text in record.items()})
                for record in records
            ]
        )
