"""The history of a run: one row per step, with what is needed to see why a run went wrong."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from plates.files import atomic


@dataclass(frozen=True)
class Row:
    """One step. Everything in it follows from data, parameters and code; what the step took is its `Cost`.

    Attributes:
        step: from 1.
        loss: the terms, each with its weight.
        cls: focal loss of the classes, per positive anchor.
        box: Huber loss of the offsets.
        iou: the IoU loss; 0 if it is off, as `seg`, `teacher` and `corners`.
        seg: cross-entropy of the mask.
        teacher: the distance to the answers of `train.teacher`.
        corners: Huber loss of the corners' offsets.
        l2: what weight decay adds (not part of `loss`).
        gradient_norm: L2 norm of the whole gradient before clipping, L2 weight decay included (sgd and adam).
        positives: anchors matched, of a mean image.
        boxes: boxes learned, of a mean image.
        ignored: boxes too small to learn, of a mean image.
        learning_rate: of this step.
        dropped: boxes that augmentation cut out of the picture, of a mean image.
        outside: boxes that a crop (`augment.crop_width`, `crop_height`) shows nothing of, of a mean image.
        pasted: boxes of other pictures (`augment.copy_paste`), of a mean image; they are among `boxes`.
        top_score: highest class score in a mean image, 0 to 1 (0: no detection head).
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
    outside: float = 0.0
    pasted: float = 0.0
    teacher: float = 0.0
    corners: float = 0.0
    top_score: float = float("nan")
    validation: float = float("nan")


@dataclass(frozen=True)
class Cost:
    """The cost of a step; never part of a checkpoint, because equal work would then get different hashes.

    Attributes:
        seconds: since the step before, its batch included.
        images_per_second: batch size over `seconds`.
        memory_mib: resident memory of the process in MiB.
    """

    seconds: float
    images_per_second: float
    memory_mib: float


class History:
    """The rows of a run so far."""

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.rows = rows or []

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame([asdict(row) for row in self.rows], columns=[field.name for field in fields(Row)])

    def write(self, path: Path) -> None:
        """Writes a CSV with a header, floats at full precision, NaN as an empty field."""
        with atomic(path) as temporary:
            self.frame().to_csv(temporary, index=False)

    @classmethod
    def read(cls, path: Path) -> "History":
        with path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
        return cls(
            [
                Row(step=int(line.pop("step")), **{name: float(text or "nan") for name, text in line.items()})
                for line in lines
            ]
        )


class StepLog:
    """A CSV that grows by a line per step during the run: the columns of `Row`, then those of `Cost`.

    Args:
        path: the file; None: nothing is written.
        done: steps that a resumed run has already taken; later lines of the killed run are removed.
    """

    def __init__(self, path: Path | None, done: int = 0) -> None:
        self.path = path
        if path is None:
            return
        columns = [field.name for field in (*fields(Row), *fields(Cost))]
        kept = _lines(path, columns, done) if done and path.is_file() else []
        with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(kept)

    def append(self, row: Row, cost: Cost) -> None:
        if self.path is None:
            return
        values = [*asdict(row).values(), *asdict(cost).values()]
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow("" if value != value else value for value in values)


def _lines(path: Path, columns: list[str], done: int) -> list[dict[str, str]]:
    """The whole lines of an earlier log up to step `done`; none if its columns differ."""
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != columns:
            return []
        return [line for line in reader if None not in line.values() and int(line["step"]) <= done]
