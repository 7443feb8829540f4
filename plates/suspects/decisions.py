"""People's decisions about labels: `label_decisions.csv`, which Git keeps, one line per photograph.

path,decision,xmin,ymin,xmax,ymax
ccpd_base/01-90_86-….jpg,fix,154,383,386,473
ccpd_base/02-90_85-….jpg,drop,,,,
ccpd_base/03-88_90-….jpg,keep,,,,
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plates.columns import BOX, CORNERS
from plates.errors import UserError

FILE = "label_decisions.csv"
"""In the project's folder."""

KEEP, FIX, DROP = "keep", "fix", "drop"
MEANINGS = {
    KEEP: "the label is right and no longer a suspect",
    FIX: "the plate's box is the one given, in pixels of the photograph",
    DROP: "the photograph is set aside",
}
COLUMNS = ["path", "decision", *BOX]
DROPPED = "not_dropped"
"""What a dropped photograph breaks, in `data/rejected.parquet`."""

SHOWN = 5


def read(file: Path) -> pd.DataFrame:
    """The lines of the file: `COLUMNS`, and `line`, its number in the file.

    Raises:
        UserError: it is not a CSV file with these columns.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text, strict=True)
            columns = next(lines, [])
            rows = [(lines.line_num, row) for row in lines if row]
    except (ValueError, csv.Error) as error:
        raise UserError(f"{file.name} cannot be read: {error}. {_again(file)}") from None
    if columns != COLUMNS:
        raise UserError(
            f"{file.name} has the columns {', '.join(columns)}; its first line must be {','.join(COLUMNS)}. "
            f"{_again(file)}"
        )
    wrong = [f"line {number} has {len(row)}" for number, row in rows if len(row) != len(COLUMNS)]
    if wrong:
        raise UserError(
            f"{len(wrong):,} of {len(rows):,} lines of {file.name} do not have {len(COLUMNS)} fields: "
            f"{', '.join(wrong[:SHOWN])}. A path with a comma needs quotes. {_again(file)}"
        )
    table = pd.DataFrame([row for _, row in rows], columns=COLUMNS, dtype=object)
    return table.mask(table == "").assign(line=[number for number, _ in rows])


def about(decisions: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The rows of a file of labels that decisions (of `read`) are about."""
    paths = pa.array(decisions["path"], pa.string())
    return pq.read_table(file, filters=pc.field("path").isin(paths)).to_pandas()


def checked(decisions: pd.DataFrame, labels: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The decisions, each of which can be carried out; the boxes are numbers.

    Args:
        decisions: of `read`.
        labels: the labels table, or the rows that `about` finds.
        classes: the names of all classes.

    Raises:
        UserError: lines that are wrong: how many, the first of them with the reason, and what to do.
    """
    boxes = decisions[BOX].apply(pd.to_numeric, errors="coerce").astype(float)
    given = decisions[BOX].notna()
    table = decisions.assign(**boxes)
    wrong = list(_wrong(table, given, labels, classes))
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise UserError(
            f"{len(wrong):,} of {len(decisions):,} lines of {FILE} cannot be carried out:\n"
            + "\n".join(f"  line {line}: {why}" for line, why in wrong[:SHOWN])
            + f"{more}\nCorrect or remove them, then: plates run"
        )
    return table


def apply(labels: pd.DataFrame, decisions: pd.DataFrame, classes: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The labels as decided, and the rows of the photographs that are dropped.

    A box that is fixed has no corners: those were the label's. A photograph without a label gets the one class.

    Args:
        labels: the labels table.
        decisions: of `checked`.
        classes: the names of all classes.
    """
    if decisions.empty:
        return labels, labels.iloc[:0]
    by_path = decisions.set_index("path")
    decision = labels["path"].map(by_path["decision"])
    fixed = (decision == FIX).to_numpy()
    decided = labels.copy()
    decided.loc[fixed, BOX] = by_path.loc[labels.loc[fixed, "path"], BOX].to_numpy(np.float32)
    decided.loc[fixed, CORNERS] = None
    decided.loc[fixed & labels["class"].isna().to_numpy(), "class"] = classes[0]
    dropped = (decision == DROP).to_numpy()
    return decided[~dropped].reset_index(drop=True), labels[dropped].reset_index(drop=True)


def _wrong(
    table: pd.DataFrame, given: pd.DataFrame, labels: pd.DataFrame, classes: Sequence[str]
) -> Iterator[tuple[int, str]]:
    """The number of each line that is wrong, and why."""
    photographs = labels.drop_duplicates("path").set_index("path")[["width", "height"]]
    rows = labels.groupby("path")["class"].agg(["size", "count"])
    first: dict[str, int] = {}
    for row, has in zip(table.to_dict("records"), given.to_numpy(), strict=True):
        path, line = row["path"], row["line"]
        if row["decision"] not in MEANINGS:
            yield line, f"{path}: the decision is {row['decision']!r}; it can be {', '.join(MEANINGS)}"
        elif path in first:
            yield line, f"{path} is already decided in line {first[path]}"
        elif path not in photographs.index:
            yield line, f"{path}: no photograph of this path has a label or is a negative"
        elif row["decision"] != FIX and has.any():
            yield line, f"{path}: {row['decision']} takes no box"
        elif row["decision"] == FIX:
            box = np.array([row[edge] for edge in BOX])
            if why := _wrong_box(box, *photographs.loc[path]):
                yield line, f"{path}: {why}"
            elif rows.loc[path, "size"] > 1:
                yield line, f"{path} has {rows.loc[path, 'size']} boxes: fix those in its annotations"
            elif not rows.loc[path, "count"] and len(classes) > 1:
                yield line, f"{path} has no label and there are {len(classes)} classes: label it in its annotations"
        first.setdefault(path, line)


def _wrong_box(box: np.ndarray, width: float, height: float) -> str | None:
    if not np.isfinite(box).all():
        return f"fix needs four numbers: {', '.join(BOX)}"
    said = ", ".join(f"{edge:g}" for edge in box)
    if not (box[:2] < box[2:]).all():
        return f"the box {said} is empty"
    if (box[:2] < 0).any() or (box[2:] > [width, height]).any():
        return f"the box {said} is outside the photograph, which is {width:g} x {height:g}"
    return None


def _again(file: Path) -> str:
    return f"Restore it: git checkout -- {file.name}"
