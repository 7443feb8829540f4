"""Scores any model on any labelled folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from plates.ccpd.geometry import IMAGE_HEIGHT, IMAGE_WIDTH, beyond, clip, frame
from plates.ccpd.table import ClassBy, label_map, parse_labels
from plates.coco.convert import from_coco
from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation import report
from plates.errors import UserError
from plates.photographs.convert import as_they_are
from plates.photographs.header import NOT_JPEG, TURNED
from plates.photographs.scan import scan
from plates.predict.load import load
from plates.predict.model import BATCH, Model
from plates.predict.picture import Picture
from plates.predict.sources import OnError
from plates.scoring import drawn
from plates.scoring.detections import SCHEMA, TO_MATCH, Found
from plates.scoring.mistakes import mistakes
from plates.scoring.scores import Boxes, scores
from plates.scoring.truth import identity
from plates.scoring.working_points import calibration, carried
from plates.settings.params import EvaluationParams, ValidationParams

MOST_DETECTIONS = EvaluationParams().max_detections
READ_ANYWAY = (NOT_JPEG, TURNED)
"""Prefixes of scan problems that do not concern a model: it reads such pictures, or says that it cannot."""


@dataclass(frozen=True)
class Scores:
    """What an evaluation found.

    Attributes:
        figures: mAP, mAP50, mAP75 and all others of a project's evaluation by name, ready for JSON.
        detections: the table that they come from.
        truth: likewise, of the labels.
        boxes: what was counted, with curves and slices; None if the model has no boxes.
        left_out: pictures that were not scored, each with the reason.
        model: that was scored.
        folder: of the pictures.
    """

    figures: dict[str, Any]
    detections: pd.DataFrame
    truth: pd.DataFrame
    boxes: Boxes | None
    left_out: dict[str, str]
    model: Model
    folder: Path

    def report(self, path: str | Path) -> None:
        """Writes the page of an evaluation: figures, curves, errors, slices, the worst pictures; one HTML file."""
        found = self.detections
        report.write(
            Path(path),
            title=f"{self.model.description.network} on {self.figures['images']:,} photographs",
            metrics=self.figures,
            published={},
            facts={
                "photographs": str(self.folder),
                "model": f"{self.model.path} ({self.model.format})",
                "test set": self.figures["test_set"],
                "left out": f"{len(self.left_out):,} photographs",
            },
            tables=drawn.curves(self.boxes, self.figures.get("calibration", {})),
            thresholds=self.model.description.thresholds,
            worst=drawn.worst(
                self.boxes,
                self.truth,
                lambda ids: found[found["image_id"].isin(ids)],
                lambda path, _: self.folder / path,
                EvaluationParams().pictures,
            ),
        )


def evaluate(
    model: Model | str | Path,
    folder: str | Path,
    annotations: str | Path | None = None,
    *,
    batch: int = BATCH,
    most: int = MOST_DETECTIONS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """Scores a model on labelled photographs, with its own post-processing and all of its scores.

    Args:
        model: of `load`, or what it takes.
        folder: of photographs with CCPD's names, or of those that `annotations` lists.
        annotations: COCO JSON.
        batch: pictures at a time.
        most: detections of a picture that are scored, the best ones (`evaluation.max_detections`).
        progress: called with pictures done and to do.

    Raises:
        UserError: nothing is labelled, or the labels have classes that the model does not know.

    Example:
        >>> scores = plates.evaluate(folder, labelled, annotations)
        >>> scores.figures["mAP50"] > 0.9, scores.left_out
        (True, {})
    """
    model = model if isinstance(model, Model) else load(model)
    folder = Path(folder)
    truth, left_out = labels(folder, Path(annotations) if annotations else None, model.label_map)
    paths = truth["path"].drop_duplicates().tolist()
    ids = {str(folder / path): number for number, path in enumerate(paths, 1)}
    truth["image_id"] = truth["path"].map(dict(zip(paths, ids.values(), strict=True)))

    def note(source: str, error: UserError) -> None:
        left_out[str(Path(source).relative_to(folder))] = str(error)

    found = detections_in(model, ids, batch=batch, progress=progress, on_error=note)
    truth = truth[~truth["path"].isin(left_out)].reset_index(drop=True)
    places = truth[["image_id", "path", "subset"]].drop_duplicates("image_id")
    detections = found.merge(places, on="image_id", validate="many_to_one")
    corners = CORNERS[0] in found
    detections = detections.reindex(columns=SCHEMA.names)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "detections.parquet"
        pq.write_table(pa.Table.from_pandas(detections, schema=SCHEMA, preserve_index=False), file)
        figures, boxes = scores(Found(file, None, model.label_map, model.image_size, corners), truth, most)
        if boxes:
            matches = boxes.tally.matches
            figures |= {
                "thresholds": carried(model.thresholds, matches),
                "calibration": calibration(matches),
                "errors": mistakes(file, truth, model.label_map, most, model.threshold()),
            }
    figures["test_set"] = identity(truth)
    return Scores(figures, detections, truth, boxes, left_out, model, folder)


def detections_in(
    model: Model,
    pictures: Mapping[str, int],
    *,
    batch: int = BATCH,
    progress: Callable[[int, int], None] = lambda done, total: None,
    on_error: OnError | None = None,
) -> pd.DataFrame:
    """All that a model finds, at any score: image_id, class, score and the box in pixels of the upright picture.

    Also the corners, if the model has them.

    Args:
        model: any.
        pictures: file to image id.
        batch: pictures at a time.
        progress: called with pictures done and to do.
        on_error: called with the name of a picture that cannot be used, and why; without it the error is raised.

    Raises:
        UserError: none of them can be read.
    """
    found = []
    for done, result in enumerate(model.stream(list(pictures), score=model.lowest, batch=batch, on_error=on_error), 1):
        progress(done, len(pictures))
        found.append(result.to_pandas().assign(image_id=pictures[result.source]))
    if not found:
        raise UserError(
            f"none of the {len(pictures):,} photographs can be read, such as {next(iter(pictures), 'none')}. Restore "
            "them, or scan the folder again: plates run"
        )
    table = pd.concat(found, ignore_index=True)
    return table[[*TO_MATCH, *(column for column in CORNERS if column in table)]]


def cautions(called: str, model: Model, found: pd.DataFrame, truth: pd.DataFrame) -> Iterator[str]:
    """Warnings that belong beside the figures of a model.

    Args:
        called: what the model is called on the command line.
        model: that was scored.
        found: its detections.
        truth: the labels that it is scored on.
    """
    if found.empty:
        yield (
            f"{called} finds nothing at any score (photographs: {truth['image_id'].nunique():,}). Look at one: "
            f"plates predict PHOTO --model {called} --draw found"
        )
    if model.lowest > 0:
        yield (
            f"{called} leaves out scores under {model.lowest:g} (NMS in the network): its mAP and AR count what is over"
        )
    if absent := [name for name in model.names if name not in set(truth["class"])]:
        yield f"no photograph has a labelled {', '.join(absent)}: the figures are those of the other classes"


def labels(folder: Path, annotations: Path | None, known: dict[int, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The labels of a folder, one row per box (null `class`: a picture without any), and what is left out and why."""
    with tempfile.TemporaryDirectory() as scratch:
        images = as_they_are(scan(folder, Path(scratch) / "scan.parquet").table)
    if annotations:
        imported = from_coco(annotations, _opened(folder, images.to_pandas()))
        table, left_out = imported.labels, dict.fromkeys(imported.crowded, "it has a crowd, whose objects have no box")
    else:
        class_by: ClassBy = next((name for name in get_args(ClassBy) if label_map(name) == known), "plate")
        parsed, unparsed = parse_labels(images, class_by)
        table, left_out = (
            parsed.to_pandas(),
            dict.fromkeys(unparsed["path"].to_pylist(), "its name is not a CCPD label"),
        )
    table, _ = clip(table, ValidationParams().edge_tolerance_px)
    left_out |= _impossible(table)
    broken = table[table["problem"].notna()]
    left_out |= dict(zip(broken["path"], broken["problem"], strict=True))
    table = table[~table["path"].isin(left_out)]
    if table["class"].isna().all():
        gone = (
            f": {len(left_out):,} cannot be used, such as {', '.join(next(iter(left_out.items())))}" if left_out else ""
        )
        raise UserError(
            f"no picture in {folder} has a labelled box{gone}. Labels come from CCPD names, or from COCO JSON with "
            "--annotations"
        )
    if strange := sorted(set(table["class"].dropna()) - set(known.values())):
        raise UserError(
            f"the labels have classes that the model does not know: {', '.join(strange[:5])}. It knows "
            f"{', '.join(known.values())}"
        )
    return table.sort_values(["path", "xmin"], kind="stable", ignore_index=True), left_out


def _impossible(table: pd.DataFrame) -> dict[str, str]:
    """Photographs whose label cannot be theirs, each with the reason: a run would set them aside, too."""
    table = table[table["class"].notna() & table["problem"].isna()]
    boxes, meant = table[BOX].to_numpy(np.float64, na_value=np.nan), frame(table)
    resized = (meant != table[["width", "height"]].to_numpy(np.float64)).any(axis=1)
    reasons = dict.fromkeys(table.loc[beyond(boxes, meant) > 0, "path"], "a box extends past the edge of the picture")
    thin = ~((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 1)
    reasons |= dict.fromkeys(table.loc[thin, "path"], "a box is less than a pixel wide or high")
    size = f"{IMAGE_WIDTH}x{IMAGE_HEIGHT} px"
    return reasons | {
        row.path: f"its name is the label of a picture of {size}, it is {row.width}x{row.height}"
        for row in table[resized].itertuples()
    }


def _opened(folder: Path, images: pd.DataFrame) -> pd.DataFrame:
    """A scan's table with the size and orientation of what a model reads too: turned JPEGs and other formats."""
    images = images.astype({"problem": object})
    for row in images[images["problem"].fillna("").str.startswith(READ_ANYWAY)].itertuples():
        try:
            picture = Picture.read(folder / row.path)
        except UserError as error:
            images.loc[row.Index, "problem"] = str(error)
            continue
        columns = ["width", "height", "orientation", "problem"]
        images.loc[row.Index, columns] = picture.width, picture.height, picture.orientation, None
    return images
