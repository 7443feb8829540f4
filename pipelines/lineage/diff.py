"""Compares two records: what `plates lineage diff` prints, lists and draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from plates.errors import UserError
from plates.files import atomic, read_json
from plates.lineage import differences
from plates.lineage.cache import Cache
from plates.lineage.checkpoint import label_map
from plates.lineage.differences import Section
from plates.lineage.photographs import Comparison, compare
from plates.lineage.record import Record
from plates.settings.params import knobs

TABLES = ("data/raw_images.parquet", "data/boxes.parquet", "data/rejected.parquet", "data/splits.parquet")
FOUND, BOXES, CHECKPOINT = "data/detections.parquet", "data/boxes.parquet", "models/checkpoint"


@dataclass(frozen=True)
class Difference:
    """What differs between two records.

    Attributes:
        headline: one sentence.
        sections: the most informative first; those without lines are the same in both.
        comparison: of the photographs; None if outcomes are not kept.
        notes: what could not be compared, and why.
    """

    headline: str
    sections: list[Section]
    comparison: Comparison | None
    notes: list[str]


def difference(root: Path, first: Record, second: Record) -> Difference:
    """Compares two records of the project in `root`."""
    cache, notes = Cache.of(root), []
    comparison = None
    try:
        comparison = compare(outcomes_of(cache, first), outcomes_of(cache, second))
        data = differences.photographs(comparison)
    except UserError as error:
        notes.append(f"photographs are compared by hashes only: {error}")
        data = Section("Data", differences.hashes(first, second))
    sections = [data, *_circumstances(root, first, second)]
    if comparison is not None and comparison.scored.empty:
        notes.append(
            "no photograph was scored in both, so that no figure compares them. To run both models on the same ones: "
            f"plates compare {first.short} {second.short}"
        )
    elif comparison is not None:
        try:
            sections.append(differences.results(comparison, _paired(cache, first, second, comparison)))
        except UserError as error:
            notes.append(f"figures on common photographs are not known: {error}")
            sections.append(differences.results(comparison, None))
    return Difference(differences.headline(first, second), sections, comparison, notes)


def changes(root: Path, first: Record, second: Record) -> list[Section]:
    """What differs apart from the results; photographs are compared only if their tables differ."""
    cache = Cache.of(root)
    data = Section("Photographs", [])
    if any(first.outputs.get(table) != second.outputs.get(table) for table in TABLES):
        try:
            data = differences.photographs(compare(outcomes_of(cache, first), outcomes_of(cache, second)))
        except UserError:
            data = Section("Data", differences.hashes(first, second))
    return [data, *_circumstances(root, first, second)]


def _circumstances(root: Path, first: Record, second: Record) -> list[Section]:
    meanings = {key: field.description for key, field in knobs()}
    return [
        differences.parameters(first, second, meanings),
        differences.code(root, first, second),
        differences.packages(first, second),
        differences.machine(first, second),
    ]


def outcomes_of(cache: Cache, record: Record) -> pd.DataFrame:
    """The outcome of every photograph in an evaluation.

    Raises:
        UserError: the record names no outcomes, or they are not kept here.
    """
    if record.outcomes is None:
        raise UserError(f"record {record.short} has the first record format, which has no outcomes")
    return pd.read_parquet(kept(cache, record, "data/outcomes.parquet", record.outcomes))


def write_changes(file: Path, comparison: Comparison) -> None:
    """Lists every change, and every plate that turned right or wrong, as JSON or CSV by the file's suffix."""
    turned = comparison.turned.rename(columns={"turned": "after"}).assign(kind="turned")
    rows = pd.concat([comparison.changes, turned], ignore_index=True)
    with atomic(file) as temporary:
        if file.suffix == ".csv":
            rows.to_csv(temporary, index=False)
        else:
            rows.to_json(temporary, orient="records", indent=1, force_ascii=False)


def _paired(cache: Cache, first: Record, second: Record, comparison: Comparison) -> pd.DataFrame:
    from plates.scoring.common import COLUMNS, on_common
    from plates.scoring.ignored import REJECTED, regions

    old, new = (kept(cache, record, FOUND, record.outputs[FOUND]) for record in (first, second))
    boxes = pd.read_parquet(kept(cache, second, BOXES, second.outputs[BOXES]), columns=COLUMNS)
    ignored = regions(kept(cache, second, REJECTED, second.outputs[REJECTED]))[COLUMNS]
    return on_common(
        (old, new),
        pd.concat([boxes.assign(iscrowd=False), ignored.assign(iscrowd=True)], ignore_index=True),
        comparison.scored,
        (_label_map(cache, first), _label_map(cache, second)),
        second.params["evaluation"]["max_detections"],
    )


def _label_map(cache: Cache, record: Record) -> Mapping[int, str]:
    files = dict(cache.files(record.outputs[CHECKPOINT])) if not cache.missing(record.outputs[CHECKPOINT]) else {}
    if "model.json" not in files:
        raise UserError(f"{CHECKPOINT} of record {record.short} is not kept here")
    return label_map(read_json(kept(cache, record, "model.json", files["model.json"])))


def kept(cache: Cache, record: Record, path: str, md5: str) -> Path:
    """The file of an output, in the cache.

    Raises:
        UserError: it is not kept here.
    """
    found = cache.find(md5)
    if found is None:
        raise UserError(f"{path} of record {record.short} is not in {cache.folders[0]}. If a remote has it: dvc fetch")
    return found
