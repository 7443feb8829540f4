"""The differences between two records as a page: sentences, and the photographs they are about."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.lineage.diff import FOUND, Difference, kept, outcomes_of
from plates.columns import BOX
from plates.errors import UserError
from plates.lineage.cache import Cache
from plates.lineage.photographs import KINDS
from plates.lineage.record import Record
from plates.pages import page
from plates.pages.drawing import GREEN, ORANGE, Marks
from plates.pages.pictures import Picture, from_file, placeholder
from plates.photographs.content import ChangedSinceScanError, Photographs
from plates.settings.project import Project

SHOWN = 12
"""Pictures of each kind."""

HEIGHT = 300


def write(file: Path, project: Project, first: Record, second: Record, found: Difference) -> None:
    """Writes the page.

    Photographs are looked up under the `data.root` of either record; one that is missing or changed becomes a grey
    picture.
    """
    page.write(
        file,
        "pipelines.lineage",
        "difference.html.j2",
        title=found.headline,
        records=(first, second),
        sections=found.sections,
        notes=found.notes,
        groups=list(_groups(project, first, second, found)),
    )


def _groups(project: Project, first: Record, second: Record, found: Difference) -> Iterator[tuple[str, list[Picture]]]:
    """A sentence on some photographs, and their pictures."""
    if found.comparison is None:
        return
    cache, photographs = Cache.of(project.root), [_photographs(project, record) for record in (second, first)]
    before, after = outcomes_of(cache, first), outcomes_of(cache, second)
    show = partial(_picture, photographs)
    turned = found.comparison.turned
    for way in ("wrong", "right"):
        rows = turned[turned["turned"] == way].drop_duplicates("path").head(SHOWN)
        if not rows.empty:
            detected = _best(cache, second, rows["path"].tolist())
            yield (
                f"Plates now {way}: the label in green, the detection of {second.short} in orange",
                [
                    show(
                        after[after["path"] == row.path],
                        f"{row.path}, IoU {row.iou_before:.2f} -> {row.iou:.2f}",
                        detected[detected["path"] == row.path],
                    )
                    for row in rows.itertuples()
                ],
            )
    for kind, said in KINDS.items():
        rows = found.comparison.changes[found.comparison.changes["kind"] == kind]
        if kind == "relabelled":
            rows = rows.sort_values("pixels", ascending=False, kind="stable")
        if not rows.empty:
            yield (
                f"Photographs that {said}" + (": the old label in orange" if kind == "relabelled" else ""),
                [
                    show(
                        before[before["path"] == row.path_before]
                        if kind == "left"
                        else after[after["path"] == row.path],
                        _caption(row),
                        before[before["path"] == row.path_before] if kind == "relabelled" else None,
                    )
                    for row in rows.head(SHOWN).itertuples()
                ],
            )


def _photographs(project: Project, record: Record) -> Photographs:
    """The photographs of a record's delivery."""
    root = record.params.get("data", {}).get("root")
    return Photographs(project.photographs_in(root), project.converted)


def _picture(
    photographs: Sequence[Photographs], rows: pd.DataFrame, caption: str, other: pd.DataFrame | None = None
) -> Picture:
    """A photograph with the boxes of its `rows` of outcomes in green, and `other` boxes in orange."""
    marks = [Marks(rows[BOX].to_numpy(float), GREEN)]
    if other is not None:
        marks.append(Marks(other[BOX].to_numpy(float), ORANGE, _scores(other)))
    path, sha256 = rows["path"].iloc[0], rows["sha256"].iloc[0]
    for known in photographs if sha256 is not None else ():
        with suppress(ChangedSinceScanError):
            return from_file(known.read(path, bytes(sha256).hex()), marks, caption, HEIGHT)
    return Picture(placeholder("no longer under data.root", HEIGHT), caption)


def _scores(rows: pd.DataFrame) -> Sequence[str]:
    detected = "image_id" in rows
    return [f"{score:.2f}" for score in rows["score"]] if detected else ()


def _caption(row: object) -> str:
    words = [str(getattr(row, name)) for name in ("before", "after") if pd.notna(getattr(row, name))]
    pixels = row.pixels  # type: ignore[attr-defined]
    moved = f", {pixels:.1f} px" if np.isfinite(pixels) else ""
    return f"{row.path}: {' -> '.join(words)}{moved}"  # type: ignore[attr-defined]


def _best(cache: Cache, record: Record, paths: Sequence[str]) -> pd.DataFrame:
    """The highest-scoring detection on each of some photographs; none if detections are not kept."""
    try:
        file = kept(cache, record, FOUND, record.outputs[FOUND])
    except UserError:
        return pd.DataFrame(columns=["path", "score", "image_id", *BOX])
    rows = pd.read_parquet(file, filters=[("path", "in", list(paths))])
    return rows.sort_values("score", ascending=False, kind="stable").drop_duplicates("path")
