"""Compares two evaluations on the photographs that both scored, although each numbered them in its own way."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from plates.columns import BOX, CORNERS
from plates.efficientdet.evaluation.bootstrap import DRAWS, Draws
from plates.scoring.by_slice import paired
from plates.scoring.detections import TO_SCORE, parts
from plates.scoring.tally import Tally, groups

COLUMNS = ["path", "subset", "class", "plate", *BOX, *CORNERS]
"""Of `data/boxes.parquet`: what is needed here."""


def on_common(
    files: tuple[Path, Path],
    boxes: pd.DataFrame,
    scored: pd.DataFrame,
    label_maps: tuple[Mapping[int, str], Mapping[int, str]],
    max_detections: int,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """What the second evaluation gains over the first on common photographs, plates drawn together.

    Args:
        files: the detections of both, as `plates.scoring.detections` writes them.
        boxes: the second's `data/boxes.parquet`, `COLUMNS` of it, and the regions to ignore: `iscrowd`.
        scored: `path_before` and `path` of the photographs that both scored.
        label_maps: class id to name of both detectors.
        max_detections: of each photograph and class so many count.
        draws: of the bootstrap.

    Returns:
        The overall rows of `plates.scoring.by_slice.paired`. Empty if no common photograph has a plate.
    """
    numbered = scored.sort_values("path", ignore_index=True)
    numbered["image_id"] = numbered.index + 1
    truth = boxes.merge(numbered[["path", "image_id"]], on="path").sort_values("image_id", kind="stable")
    if truth["class"].notna().sum() == 0:
        return pd.DataFrame(columns=["figure", "first", "second", "difference", "low", "high"])
    old, new = (
        Tally.of(_renumbered(file, numbered.set_index(name)["image_id"]), truth, label_map, max_detections)
        for file, name, label_map in zip(files, ("path_before", "path"), label_maps, strict=True)
    )
    whole = pd.DataFrame(index=range(len(numbered)))
    return paired(old, new, whole, Draws.of(groups(truth), draws))


def _renumbered(file: Path, image_ids: pd.Series) -> Iterator[pd.DataFrame]:
    """The detections on photographs in `image_ids` (by path), under these ids."""
    for table in parts(file, (*TO_SCORE, "path")):
        kept = table[table["path"].isin(image_ids.index)]
        yield kept.assign(image_id=kept["path"].astype(object).map(image_ids)).drop(columns="path")
