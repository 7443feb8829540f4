"""Two models on the same photographs: what the second gains, what only one of them finds, and how long each takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from plates.columns import BOX
from plates.efficientdet.evaluation.report import pictures
from plates.errors import UserError
from plates.pages import page, sheets
from plates.pages.pictures import Picture
from plates.predict.evaluate import MOST_DETECTIONS, detections_in
from plates.predict.model import Model
from plates.scoring.by_slice import WHOLE
from plates.scoring.compare import compare as compare_detections
from plates.scoring.outcomes import match
from plates.scoring.truth import real

SHOWN = 12
"""Photographs on the page that only one of the models finds the plate in, of each."""
TIMED = 100


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        table: `plates.scoring.by_slice.paired`.
        boxes: a row per labelled box: image_id, path and the box; whether each model found it, `first` and `second`,
            with its best box, at IoU 0.5.
        truth: the labels of the photographs that both read.
        detections: what each found.
        milliseconds: from a file to its boxes over the model's own threshold, the mean of the first `TIMED`.
        left_out: photographs that one of them cannot read, with the reason.
    """

    table: pd.DataFrame
    boxes: pd.DataFrame
    truth: pd.DataFrame
    detections: tuple[pd.DataFrame, pd.DataFrame]
    milliseconds: tuple[float, float]
    left_out: dict[str, str]

    def figure(self, name: str) -> pd.Series:
        """The overall row of a figure in `table`."""
        return self.table[(self.table["dimension"] == WHOLE) & (self.table["figure"] == name)].iloc[0]

    def changed(self, figure: str) -> pd.DataFrame:
        """The slices whose difference in a figure is beyond chance, the largest loss first."""
        rows = self.table[(self.table["dimension"] != WHOLE) & (self.table["figure"] == figure)]
        return rows[(rows["low"] > 0) | (rows["high"] < 0)].sort_values("difference", kind="stable")

    def only(self, model: str) -> pd.DataFrame:
        """The boxes that `model`, first or second, found and the other missed."""
        other = {"first": "second", "second": "first"}[model]
        return self.boxes[self.boxes[model] & ~self.boxes[other]]


def compare(
    first: Model,
    second: Model,
    truth: pd.DataFrame,
    files: Mapping[int, Path],
    *,
    most: int = MOST_DETECTIONS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Lets two models look at the same photographs, each with its own post-processing.

    Args:
        first: what `second` is compared with.
        second: a model of the same classes.
        truth: labels of the photographs, a table of `plates.scoring.truth` or of `plates.predict.evaluate.labels`.
        files: image id to file.
        most: detections of a photograph and class that count, the best ones.
        progress: called with photographs done and to do.

    Raises:
        UserError: the classes differ, no photograph has a label, or none can be read.
    """
    ids = _same_classes(first, second)
    if truth["class"].isna().all():
        raise UserError(f"none of the {truth['image_id'].nunique():,} photographs has a labelled box to compare on")
    left_out: dict[str, str] = {}
    found, milliseconds = [], []
    for number, model in enumerate((first, second)):
        milliseconds.append(_milliseconds(model, list(files.values())[:TIMED]))
        table = detections_in(
            model,
            {str(file): image for image, file in files.items()},
            progress=partial(_counted, progress, number),
            on_error=lambda source, error: left_out.update({source: str(error)}),
        )
        found.append(table)
    found[1] = found[1].assign(**{"class": found[1]["class"].map(ids)})
    read = [image for image, file in files.items() if str(file) not in left_out]
    truth, found = truth[truth["image_id"].isin(read)], [table[table["image_id"].isin(read)] for table in found]
    table = compare_detections([found[0]], [found[1]], truth, first.label_map, first.image_size, most)
    plates = real(truth)
    boxes = plates[plates["class"].notna()].reset_index(drop=True)
    places = plates[["image_id", "path"]].drop_duplicates()
    outcomes = [match(boxes, one.merge(places, on="image_id"), first.label_map)["found"] for one in found]
    boxes = boxes[["image_id", "path", *BOX]].assign(first=outcomes[0], second=outcomes[1])
    return Comparison(table, boxes, plates, (found[0], found[1]), (milliseconds[0], milliseconds[1]), left_out)


def write(target: Path, found: Comparison, names: tuple[str, str], files: Mapping[int, Path]) -> None:
    """Writes the comparison as a page, with the photographs that one finds and the other misses side by side."""
    groups = {
        f"Found only by {name}": [_pair(found, names, files, row) for row in found.only(model).head(SHOWN).itertuples()]
        for name, model in zip(names, ("first", "second"), strict=True)
    }
    page.write(
        target,
        "plates.predict",
        "compare.html.j2",
        title=f"{names[1]} against {names[0]}",
        names=names,
        figures=found.table[found.table["dimension"] == WHOLE].to_dict("records"),
        slices=found.table[(found.table["dimension"] != WHOLE) & (found.table["figure"] == "mAP")].to_dict("records"),
        milliseconds=found.milliseconds,
        counts=[len(found.only(model)) for model in ("first", "second")],
        boxes=len(found.boxes),
        groups=groups,
        left_out=found.left_out,
    )


def _pair(found: Comparison, names: tuple[str, str], files: Mapping[int, Path], row: object) -> Picture:
    """One photograph twice: the label and the best box of each model."""
    image = row.image_id  # type: ignore[attr-defined]
    truth = found.truth[found.truth["image_id"] == image]
    best = [one[one["image_id"] == image].nlargest(1, "score") for one in found.detections]
    sides = [pictures.draw(files[image], truth, one, "").image for one in best]
    scores = [
        f"{name} {one['score'].iloc[0]:.2f}" if len(one) else f"{name} nothing"
        for name, one in zip(names, best, strict=True)
    ]
    return Picture(sheets.flow(sides, sum(side.width for side in sides)), f"{row.path}: {', '.join(scores)}")  # type: ignore[attr-defined]


def _milliseconds(model: Model, files: list[Path]) -> float:
    """Per photograph, without what the first one costs."""
    list(model.stream(files[0], on_error=lambda *_: None))
    started = time.perf_counter()
    list(model.stream(files, on_error=lambda *_: None))
    return 1000 * (time.perf_counter() - started) / len(files)


def _counted(progress: Callable[[int, int], None], number: int, done: int, total: int) -> None:
    progress(number * total + done, 2 * total)


def _same_classes(first: Model, second: Model) -> dict[int, int]:
    """The first model's id of each class of the second; raises `UserError` if they know other classes."""
    ours, theirs = first.label_map, second.label_map
    if set(ours.values()) != set(theirs.values()):
        raise UserError(
            f"{first.path} finds {', '.join(first.names)}, but {second.path} finds {', '.join(second.names)}: no "
            "figure compares them. If these are two names for one class of another tool's ONNX, change label_map "
            "in its description"
        )
    ids = {name: key for key, name in ours.items()}
    return {key: ids[name] for key, name in theirs.items()}
