"""Looking at a photograph, and at a folder of them, with the labels in their names."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from plates.card.look.inspection import Inspection, captions, figures, sheet, spread
from plates.card.pictures import from_rows, marks
from plates.ccpd.label import explain
from plates.ccpd.subsets import subset_of
from plates.ccpd.table import IMAGE_COLUMNS, LABELS_SCHEMA, parse_labels
from plates.columns import BOX
from plates.errors import UserError
from plates.files import as_text
from plates.pages.drawing import draw
from plates.pages.pictures import UNREADABLE
from plates.photographs.header import TURNED, read_header
from plates.photographs.scan import NOT_UTF8, SUFFIXES

IMAGE_SCHEMA = pa.schema([LABELS_SCHEMA.field(name) for name in IMAGE_COLUMNS])
READ = 2000
"""Most photographs of a folder to open; in a larger folder they are spread evenly."""


@dataclass(frozen=True)
class Opened:
    """What the files contain.

    Attributes:
        labels: those in the files' names.
        unlabelled: names without a label, each with the reason.
        faulty: files that the pipeline would set aside, each with the reason.
    """

    labels: pd.DataFrame
    unlabelled: list[str]
    faulty: list[str]


def photograph(path: Path) -> Inspection:
    """One image of any kind that Pillow reads, with its box. Raises `UserError` for one that does not decode."""
    try:
        with Image.open(path) as image:
            first = f"{path.name}: {image.width}x{image.height} {image.mode}, {path.stat().st_size:,} bytes"
            full = image.convert("RGB")
    except UNREADABLE as error:
        known = None if isinstance(error, UnidentifiedImageError) else str(error)
        said = "; ".join(filter(None, (known, _fault(path)))) or "not a known format"
        raise UserError(
            f"{path} does not decode as an image: {said}. Copy it again from its source, or name another image, "
            "a .tfrecord, a table of data/*.parquet, or a folder."
        ) from error
    opened = _open([path], path.parent)
    labels = opened.labels
    fault = _fault(path)
    lines = [first, *([f"{fault}; the pipeline would set it aside"] if fault else [])]
    if labels.empty or labels["class"].isna().all():
        return Inspection([*lines, *(opened.unlabelled or ["a photograph without a plate"])], lambda: full)
    row = labels.iloc[0]
    lines += [
        f"plate {row['plate']} ({row['plate_type']}), box {', '.join(f'{row[edge]:g}' for edge in BOX)} px",
        f"tilt {row['tilt_horizontal']:g} and {row['tilt_vertical']:g} degrees, area {row['area_ratio']:.4f} of "
        f"the image, brightness {row['brightness']:g}, blurriness {row['blurriness']:g}",
    ]
    return Inspection(lines, lambda: draw(full, marks(row)))


def folder(path: Path, count: int) -> Inspection:
    """The images under a folder. Raises `UserError` if there is none."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise UserError(
            f"{path} holds no image and no .tfrecord. Name another folder, or make one: plates sample {path}"
        )
    chosen = [files[position] for position in spread(len(files), READ)]
    opened = _open(chosen, path)
    lines = [f"{len(files):,} images under {path}"]
    if len(chosen) < len(files):
        lines.append(f"{len(chosen):,} of them opened, spread evenly; the figures below are for these")
    lines += figures(opened.labels)
    for what, found in (("names hold no label", opened.unlabelled), ("would be set aside", opened.faulty)):
        if found:
            lines.append(f"{len(found):,} {what}, such as {found[0]}")
    shown = opened.labels.iloc[spread(len(opened.labels), count)]
    return Inspection(lines, lambda: sheet(opened.labels, from_rows(shown, path, captions(shown))))


def _open(files: list[Path], root: Path) -> Opened:
    rows, faulty = [], []
    for file in files:
        fault = _fault(file)
        name = as_text(file.name)
        try:
            with Image.open(file) as image:
                width, height = image.size
        except UNREADABLE as error:
            faulty.append(f"{name} ({fault or type(error).__name__})")
            continue
        if name != file.name:
            faulty.append(f"{name} ({NOT_UTF8})")
            continue
        if fault:
            faulty.append(f"{name} ({fault})")
        at = file.relative_to(root).as_posix()
        known = {"subset": subset_of(str(file)), "name": name, "path": at, "width": width, "height": height}
        rows.append(known)
    labels, unparsed = parse_labels(pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA))
    unlabelled = [": ".join((name, explain(name)[2])) for name in unparsed["name"].to_pylist()]
    return Opened(labels.to_pandas(), unlabelled, faulty)


def _fault(file: Path) -> str | None:
    """Why the pipeline would set the file aside, according to its header."""
    try:
        problem = read_header(file.read_bytes()).problem
    except OSError as error:
        return error.strerror
    return None if problem is None or problem.startswith(TURNED) else problem
