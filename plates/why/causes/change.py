"""Causes that only the comparison with an earlier evaluation shows."""

from collections.abc import Mapping
from typing import Any

from plates.lineage.differences import packages
from plates.lineage.origin import Steps
from plates.lineage.record import Record
from plates.why.evidence import Evidence
from plates.why.finding import LIKELY, STRONG, Finding

MATTERS = 0.02
"""Of mAP."""
EVALUATION = "metrics/evaluation.json"
INDIFFERENT = (".workers", ".strategy", ".pictures", ".min_recall", ".max_psi", ".max_ks")
"""Of parameters that cannot change a figure."""
SUBJECTS = {
    "data/raw_images.parquet": "photographs",
    "data/boxes.parquet": "labels",
    "data/splits.parquet": "splits",
}


def fell_since(e: Evidence) -> Finding | None:
    """What changed since the best evaluation before."""
    if e.record is None or e.before is None:
        return None
    lost = (e.before.metrics.get("mAP") or 0.0) - (e.record.metrics.get("mAP") or 0.0)
    if lost < MATTERS or within_chance(e):
        return None
    changed = changes(e.before, e.record)
    if not changed:
        return None
    return Finding(
        "something changed since the better run",
        LIKELY if len(changed) > 1 else STRONG - 0.1,
        f"mAP fell by {lost:.3f} from record {e.before.short}; what changed in between: {', '.join(changed)}.",
        changed[0] if len(changed) == 1 else f"one of these back: {', '.join(changed)}",
        f"plates lineage diff {e.before.short} {e.record.short}",
    )


def within_chance(e: Evidence) -> bool:
    """Whether the difference from the best earlier evaluation is inside this one's interval."""
    if e.record is None or e.before is None or e.before.metrics.get("mAP") is None:
        return False
    between = (e.metrics.get("intervals") or {}).get("mAP") or (1.0, 0.0)
    return bool(between[0] <= e.before.metrics["mAP"] <= between[1])


def changes(first: Record, second: Record) -> list[str]:
    """What differs between two records, in a few words each."""
    said = [word for path, word in SUBJECTS.items() if first.outputs.get(path) != second.outputs.get(path)]
    one, two = _params(first), _params(second)
    keys = [key for key in two if one.get(key) != two[key] and not key.endswith(INDIFFERENT)]
    said += [f"{key} {one.get(key)} -> {two[key]}" for key in keys[:6]]
    if len(keys) > 6:
        said.append(f"{len(keys) - 6} more parameters")
    if first.code.get("tree") != second.code.get("tree"):
        said.append("code")
    return said + [f"package {line}" for line in packages(first, second).lines]


def _params(record: Record) -> Mapping[str, Any]:
    """The parameters that the stages up to the evaluation read."""
    steps = Steps(record)
    found: dict[str, Any] = {}
    for stage in steps.upstream(EVALUATION):
        found |= steps.params(stage)
    return found
