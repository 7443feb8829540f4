"""`plates inspect PATH`: what a photograph, a folder of them, a table of labels, a shard or a folder of
shards holds.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from ccpd.card.numbers import describe
from ccpd.card.pictures import Picture, Sample, contact_sheet, draw, from_rows, from_samples
from ccpd.columns import BOX, CORNERS
from ccpd.label import explain
from ccpd.label_table import LABELS_SCHEMA, parse_labels
from ccpd.subsets import subset_of
from efficientdet.data.records.framing import payloads
from efficientdet.data.records.manifest import FILE_NAME, read_manifest
from efficientdet.data.records.record import Record, from_bytes
from lineage.errors import UserError

IMAGES = {".jpg", ".jpeg"}
IMAGE_SCHEMA = pa.schema(list(LABELS_SCHEMA)[:7])
READ = 2000
"""Photographs of a folder that are opened; of a larger one, so many, spread evenly."""


@dataclass(frozen=True)
class Inspection:
    """What was found, in sentences, and a picture of it."""

    lines: list[str]
    picture: Image.Image


def inspect(path: Path, root: Path | None = None, count: int = 24) -> Inspection:
    """Looks at `path`; shows at most `count` pictures. `root` is where a table's photographs are.

    Raises `UserError` for a path that does not exist or is none of the kinds.
    """
    if path.is_dir():
        shards = sorted(path.glob("*.tfrecord"))
        return _shards(path, shards, count) if shards else _folder(path, count)
    kinds: dict[str, Callable[[], Inspection]] = {
        ".tfrecord": lambda: _shard(path, count),
        ".parquet": lambda: _table(path, root, count),
        **{suffix: lambda: _photograph(path) for suffix in IMAGES},
    }
    if not path.exists() or path.suffix.lower() not in kinds:
        problem = "is not a kind that can be looked at" if path.exists() else "does not exist"
        raise UserError(f"{path} {problem}. Name a JPEG, a .tfrecord, a table of data/*.parquet, or a folder of them.")
    return kinds[path.suffix.lower()]()


def _photograph(path: Path) -> Inspection:
    labels, reasons, unreadable = _read([path], path.parent)
    if unreadable:
        raise UserError(f"{path} does not decode: {unreadable[0]}")
    with Image.open(path) as image:
        lines = [f"{path.name}: {image.width}x{image.height} {image.mode}, {path.stat().st_size:,} bytes"]
        full = image.convert("RGB")
    if labels.empty or labels["class"].isna().all():
        return Inspection([*lines, *(reasons or ["a photograph without a plate"])], full)
    row = labels.iloc[0]
    box, corners = (row[columns].to_numpy(np.float64) for columns in (BOX, CORNERS))
    lines += [
        f"plate {row['plate']} ({row['plate_type']}), box {', '.join(f'{side:g}' for side in box)} px",
        f"tilt {row['tilt_horizontal']:g} and {row['tilt_vertical']:g} degrees, area {row['area_ratio']:.4f} of "
        f"the image, brightness {row['brightness']:g}, sharpness {row['blurriness']:g}",
    ]
    return Inspection(lines, draw(full, box[None], corners.reshape(1, 4, 2), height=full.height))


def _folder(folder: Path, count: int) -> Inspection:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES)
    if not files:
        raise UserError(
            f"{folder} holds no JPEG and no .tfrecord. Name another folder, or make one: plates sample {folder}"
        )
    opened = [files[position] for position in _spread(len(files), READ)]
    labels, reasons, unreadable = _read(opened, folder)
    lines = [f"{len(files):,} JPEGs under {folder}"]
    if len(opened) < len(files):
        lines.append(f"{len(opened):,} of them opened, spread evenly; what follows is of those")
    lines += _figures(labels)
    for what, found in (("names hold no label", reasons), ("do not decode", unreadable)):
        if found:
            lines.append(f"{len(found):,} {what}, such as {found[0]}")
    shown = labels.iloc[_spread(len(labels), count)]
    return Inspection(lines, contact_sheet(from_rows(shown, folder, shown["path"].str[-40:].tolist())))


def _table(path: Path, root: Path | None, count: int) -> Inspection:
    labels = pd.read_parquet(path)
    absent = [column for column in ("path", "class", *BOX, *CORNERS) if column not in labels]
    if absent:
        raise UserError(f"{path} is no table of labels: it has no {', '.join(absent)}. Tables: labels, boxes, rejected")
    lines = [f"{len(labels):,} rows in {path}", *_figures(labels)]
    captions = labels["path"].str[-40:]
    if "broken" in labels:
        counts = labels["broken"].explode().value_counts()
        lines += [f"  {number:>7,}  {name}" for name, number in counts.items()]
        captions = labels["broken"].map(lambda names: ", ".join(names))
    at = _spread(len(labels), count)
    pictures = [] if root is None else from_rows(labels.iloc[at], root, captions.iloc[at].tolist())
    if root is None:
        lines.append("no pictures: the folder of the photographs is not known")
    return Inspection(lines, contact_sheet(pictures))


def _shard(path: Path, count: int) -> Inspection:
    names: Counter[str] = Counter()
    boxes = []
    for record in _records(path):
        names.update(record.names)
        boxes.append(len(record.boxes))
    lines = [
        f"{len(boxes):,} records in {path.name} ({path.stat().st_size / 2**20:,.1f} MiB), every CRC right",
        f"{sum(boxes):,} boxes, {boxes.count(0):,} images without one",
        *(f"  {number:>7,}  {name}" for name, number in names.most_common()),
    ]
    return Inspection(lines, contact_sheet(_pictures(path, len(boxes), count)))


def _shards(folder: Path, shards: list[Path], count: int) -> Inspection:
    lines = [f"{len(shards):,} shards in {folder}, {sum(shard.stat().st_size for shard in shards) / 2**20:,.1f} MiB"]
    if (folder / FILE_NAME).exists():
        manifest = read_manifest(folder)
        lines += [
            f"{name}: {split.images:,} images, {split.boxes:,} boxes, {split.negatives:,} without one, "
            + ", ".join(f"{number:,} {label}" for label, number in manifest.class_counts.get(name, {}).items())
            for name, split in manifest.splits.items()
        ]
    first = _shard(shards[0], count)
    return Inspection([*lines, "the first shard:", *first.lines], first.picture)


def _records(path: Path) -> Iterator[Record]:
    return (from_bytes(payload) for payload in payloads(path))


def _pictures(path: Path, records: int, count: int) -> list[Picture]:
    wanted = set(_spread(records, count).tolist())
    samples = []
    for position, record in enumerate(_records(path)):
        if position in wanted:
            with Image.open(io.BytesIO(record.encoded)) as image:
                samples.append(Sample(np.asarray(image.convert("RGB")), record.boxes, record.path[-40:]))
    return from_samples(samples)


def _read(files: list[Path], root: Path) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The labels of photographs; why names hold none; and which files do not decode."""
    rows, unreadable = [], []
    for file in files:
        try:
            with Image.open(file) as image:
                width, height = image.size
        except (OSError, Image.DecompressionBombError) as error:
            unreadable.append(f"{file.name} ({type(error).__name__})")
            continue
        at = file.relative_to(root).as_posix()
        known = {"subset": subset_of(str(file)), "name": file.name, "path": at, "width": width, "height": height}
        rows.append(known)
    labels, unparsed = parse_labels(pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA))
    reasons = [": ".join((name, explain(name)[2])) for name in unparsed["name"].to_pylist()]
    return labels.to_pandas(), reasons, unreadable


def _figures(labels: pd.DataFrame) -> list[str]:
    """What `describe` counts, in sentences."""
    if labels.empty:
        return ["no labels"]
    numbers = describe(labels, labels.iloc[:0].assign(broken=None))
    lines = [
        f"{numbers.images:,} images, {numbers.boxes:,} boxes, {numbers.negatives:,} images without a plate, "
        f"{numbers.plates:,} different plates",
        "subsets: " + ", ".join(f"{name} {sum(by.values()):,}" for name, by in numbers.subsets.items()),
    ]
    if numbers.provinces:
        lines.append(
            "provinces: " + ", ".join(f"{name} {sum(by.values()):,}" for name, by in numbers.provinces.items())
        )
    typical = numbers.sides[0].typical
    return [*lines, *(f"{said}: {value:.3g}" for said, value in typical.items() if value is not None)]


def _spread(length: int, count: int) -> np.ndarray:
    """At most `count` positions below `length`, spread evenly."""
    return np.unique(np.linspace(0, length - 1, min(length, count)).astype(np.int64)) if length else np.array([], int)
