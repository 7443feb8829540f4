"""Looking at a table of `data/`: of labels, or of photographs without boxes."""

from pathlib import Path

import pandas as pd

from plates.card.look.inspection import Inspection, captions, figures, sheet, spread
from plates.card.pictures import from_rows, of_files
from plates.columns import BOX, CORNERS
from plates.errors import UserError
from plates.pages.sheets import contact_sheet
from plates.remote import Place

SAID = ("subset", "split", "problem", "field", "reason")
MOST_VALUES = 10
NO_ROOT = "no pictures: the folder of the photographs is not known"
LABELS = ("path", "class", "subset", "plate", "width", "height", *BOX, *CORNERS)


def table(path: Path, root: Place | None, count: int) -> Inspection:
    """A Parquet file with a row for each label or photograph; `root` is where the photographs are."""
    try:
        rows = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not a Parquet file, or is damaged: {error}. Make it again: plates run") from None
    if "path" not in rows:
        raise UserError(f"{path} is not a table of photographs: it has no column path. Look at one of data/*.parquet")
    seen = _photographs if any(column not in rows for column in LABELS) else _labels
    inspection = seen(path, rows, root, rows.iloc[spread(len(rows), count)])
    return inspection if root else Inspection([*inspection.lines, NO_ROOT], inspection.draw)


def _labels(path: Path, labels: pd.DataFrame, root: Place | None, chosen: pd.DataFrame) -> Inspection:
    lines = [f"{len(labels):,} rows in {path}", *figures(labels)]
    texts = captions(chosen)
    if "broken" in labels:
        counts = labels["broken"].explode().value_counts()
        lines += [f"  {number:>7,}  {name}" for name, number in counts.items()]
        texts = chosen["broken"].map(lambda names: ", ".join(names)).tolist()
    return Inspection(lines, lambda: sheet(labels, [] if root is None else from_rows(chosen, root, texts)))


def _photographs(path: Path, table: pd.DataFrame, root: Place | None, chosen: pd.DataFrame) -> Inspection:
    """A table such as raw_images, unparsed or splits."""
    lines = [f"{len(table):,} rows in {path}: {', '.join(table.columns)}"]
    said = [column for column in SAID if column in table]
    for column in said:
        counts = table[column].value_counts().head(MOST_VALUES)
        lines.append(f"{column}: " + (", ".join(f"{value} {number:,}" for value, number in counts.items()) or "none"))
    texts = chosen[said].astype("object").apply(lambda row: ", ".join(map(str, row.dropna())), axis=1)
    paths = chosen["path"].tolist()
    return Inspection(lines, lambda: contact_sheet([] if root is None else of_files(paths, root, texts.tolist())))
