"""What differs between two evaluations, in words, the most informative first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from plates.errors import UserError
from plates.lineage.code_trees import code_trees
from plates.lineage.origin import Steps
from plates.lineage.photographs import KINDS, Comparison
from plates.lineage.record import Record, flat

SHOWN = 3
WRITTEN = ("lineage/", "metrics/", "models/", "plots/", "reports/", "dvc.lock", "params.yaml")
"""How the paths of what a run writes, and of settings, which have a section of their own, begin."""
"""Examples of each kind."""


@dataclass(frozen=True)
class Section:
    """One subject and what differs in it; no lines if it is the same in both."""

    title: str
    lines: Sequence[str]


def photographs(comparison: Comparison) -> Section:
    """Which photographs came, left and changed: counts, shares, the splits they are in, examples."""
    before, after = comparison.photographs
    lines = [] if before == after else [f"{before:,} before, {after:,} now"]
    for kind, said in KINDS.items():
        rows = comparison.changes[comparison.changes["kind"] == kind]
        if not rows.empty:
            share = len(rows) / max(before if kind == "left" else after, 1)
            lines.append(f"{len(rows):,} {said} ({_percent(share)}){_detail(kind, rows)}; e.g. {_examples(kind, rows)}")
    return Section("Photographs", lines)


def parameters(first: Record, second: Record, meanings: Mapping[str, str]) -> Section:
    """Each parameter that differs, with what it means."""
    one, two = flat(first.params), flat(second.params)
    lines = []
    for key in _differing(one, two):
        meaning = meanings.get(key) or meanings.get(key.rsplit(".", 1)[0], "")
        lines.append(f"{key}: {_value(one, key)} -> {_value(two, key)}{'   ' if meaning else ''}{meaning}")
    return Section("Parameters", lines)


def code(root: Path, first: Record, second: Record) -> Section:
    """The code files that differ, with lines added and removed, and the stages that each is part of."""
    trees = first.code.get("tree"), second.code.get("tree")
    if None not in trees and trees[0] == trees[1]:
        return Section("Code", [])
    used = _files_of_stages(first, second)
    try:
        with code_trees(root) as built:
            changes = built.changes(built.tree(first), built.tree(second))
    except UserError as error:
        differing = [f"{path} (part of {', '.join(stages)})" for path, stages in used.items()]
        return Section("Code", [*differing, f"how it differs is not known: {error}"])
    lines = []
    of_code = (change for change in changes if change.path in used or not change.path.startswith(WRITTEN))
    for change in sorted(of_code, key=lambda change: change.path not in used):
        size = "binary" if change.added is None else f"+{change.added} -{change.removed}"
        part = f"part of {', '.join(used[change.path])}" if change.path in used else "part of no stage that led to them"
        lines.append(f"{change.path}  {size}  ({part})")
    return Section("Code", lines)


def packages(first: Record, second: Record) -> Section:
    """Each package of another version."""
    return Section("Packages", _pairs(first.packages, second.packages))


def machine(first: Record, second: Record) -> Section:
    """Processor, system, seeds and the weights that training started from."""
    lines = _pairs(first.machine, second.machine) + _pairs(first.seeds, second.seeds)
    return Section("Machine and seeds", lines + [f"weights: {line}" for line in _pairs(first.parents, second.parents)])


def hashes(first: Record, second: Record) -> list[str]:
    """Each output with another hash: the remaining information if the outputs are not kept."""
    return _pairs(first.outputs, second.outputs)


def results(comparison: Comparison, paired: pd.DataFrame | None) -> Section:
    """The results on the photographs that both scored with the same labels.

    Args:
        comparison: of the two evaluations.
        paired: figures on these photographs, one row each: figure, first, second, difference, low, high (the ends of
            its 95% interval, null if there are too few photographs); None if detections are not kept.
    """
    lines = []
    if paired is not None:
        for row in paired.dropna(subset="difference").itertuples():
            between = "" if pd.isna(row.low) else f" (95%: {row.low:+.3f} to {row.high:+.3f})"
            lines.append(f"{row.figure} {row.first:.3f} -> {row.second:.3f}, {row.difference:+.3f}{between}")
    for turned in ("wrong", "right"):
        rows = comparison.turned[comparison.turned["turned"] == turned]
        if not rows.empty:
            lines.append(f"{len(rows):,} plates turned {turned}; e.g. {', '.join(rows['path'].unique()[:SHOWN])}")
    return Section(f"On the {len(comparison.scored):,} photographs that both scored with the same labels", lines)


def headline(first: Record, second: Record, metric: str = "mAP") -> str:
    """The two evaluations and their figure, in one sentence."""
    before, after = (record.metrics.get(metric) for record in (first, second))
    change = "" if before is None or after is None else f", {after - before:+.3f}"
    end = figure(second, metric).removeprefix(f"{metric} ")
    return f"{figure(first, metric)} -> {end}{change}, from record {first.short} to {second.short}"


def short(first: Record, second: Record) -> str:
    """What differs, in a few words for a row of a table: by hashes, parameters, packages and processor alone."""
    tables = {"photographs": "raw_images", "labels": "boxes", "splits": "splits"}
    changed = [
        said
        for said, table in tables.items()
        if first.outputs.get(f"data/{table}.parquet") != second.outputs.get(f"data/{table}.parquet")
    ]
    one, two = flat(first.params), flat(second.params)
    keys = _differing(one, two)
    said = changed[:1]
    said += [f"{key} {_value(one, key)} -> {_value(two, key)}" for key in keys] if len(keys) == 1 else []
    said += [f"{len(keys)} parameters"] if len(keys) > 1 else []
    said += ["code"] if _code(first) != _code(second) else []
    said += ["packages"] if first.packages != second.packages else []
    said += ["processor"] if first.machine.get("processor") != second.machine.get("processor") else []
    return ", ".join(said) or "nothing"


def _code(record: Record) -> object:
    return record.code.get("tree") or (record.code["commit"], record.code["changed"])


def _files_of_stages(first: Record, second: Record) -> dict[str, list[str]]:
    """The source files with other content, and the stages whose entry in `dvc.lock` names them."""
    found: dict[str, set[str]] = {}
    one, two = (_sources(record) for record in (first, second))
    for stage, path in sorted(one.keys() | two.keys()):
        if one.get((stage, path)) != two.get((stage, path)):
            found.setdefault(path, set()).add(stage)
    return {path: sorted(stages) for path, stages in found.items()}


def _sources(record: Record) -> dict[tuple[str, str], str]:
    steps = Steps(record)
    return {(name, path): md5 for name in steps.stages for path, md5 in steps.sources(name).items()}


def _detail(kind: str, rows: pd.DataFrame) -> str:
    if kind == "relabelled":
        pixels = rows["pixels"].dropna()
        moved = f": by {pixels.median():.1f} px in the middle, {pixels.max():.1f} at most" if len(pixels) else ""
        return moved + (f", {len(rows) - len(pixels)} have another number of plates" if len(rows) > len(pixels) else "")
    column = {"came": "after", "left": "before", "rejected": "after", "taken back": "before"}.get(kind)
    if column:
        counts = rows[column].value_counts()
        return ": " + ", ".join(f"{count:,} {place}" for place, count in counts.items())
    if kind == "moved":
        counts = (rows["before"] + " to " + rows["after"]).value_counts()
        return ": " + ", ".join(f"{count:,} {way}" for way, count in counts.items())
    return ""


def _examples(kind: str, rows: pd.DataFrame) -> str:
    ordered = rows.sort_values("pixels", ascending=False, kind="stable") if kind == "relabelled" else rows
    return ", ".join(ordered["path"].head(SHOWN))


def _pairs(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    return [f"{key}: {_value(first, key)} -> {_value(second, key)}" for key in _differing(first, second)]


def _differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """The keys that only one has, or with another value in each."""
    both = first.keys() & second.keys()
    return sorted((first.keys() ^ second.keys()) | {key for key in both if first[key] != second[key]})


def _value(values: Mapping[str, object], key: str) -> str:
    return "not there" if key not in values else "null" if values[key] is None else str(values[key])


def figure(record: Record, metric: str = "mAP") -> str:
    """A record's figure with its name."""
    value = record.metrics.get(metric)
    return f"{metric} not measured" if value is None else f"{metric} {value:.3f}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else f"{share:.3%}"
