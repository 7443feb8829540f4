"""The evidence of each case as JSON, so that `plates why` can be asked again without training.

Here: what a case keeps, and the evidence made of it. `evidence/STRENGTH.jsonl` has a case a line.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plates.files import atomic
from plates.lineage.record import flat
from plates.settings.params import Params
from plates.settings.project import Project
from plates.why.evidence import Beside, Evidence
from plates.why.placement import Placement

FOLDER = Path(__file__).parent / "evidence"
CURVES = ("loss", "cls", "box", "positives", "boxes", "ignored", "dropped", "top_score", "validation")
METRICS = (
    *("mAP", "mAP50", "mAP75", "images", "boxes", "split", "per_class", "intervals"),
    *("mAP_on_val", "plates_in_train_too", "images_with_more_boxes_than_count"),
)
RUN = ("best_validation", "batch_norm_momentum", "warnings")
PLAIN = ("label_map", "agreement", "copies", "detail", "manifest_hash", "trained_on")
DIGITS = 4


def kept(e: Evidence) -> dict[str, Any]:
    """What causes ask of the evidence, and nothing else."""
    usual = flat(Params().model_dump(mode="json"))
    shifts = e.shifts[["split", "column", "psi", "baseline", "current"]] if len(e.shifts) else e.shifts
    history = e.history[list(CURVES)].astype(float).map(_short)
    content = {name: getattr(e, name) for name in PLAIN} | {
        "params": {key: _named(value) for key, value in e.params.items() if usual.get(key) != value},
        "metrics": {key: e.metrics[key] for key in METRICS if key in e.metrics},
        "history": {name: history[name].tolist() for name in CURVES},
        "loaded": e.loaded
        and {"source": _named(e.loaded["source"]), "matched": len(e.loaded["matched"])}
        | {key: e.loaded[key] for key in ("kind", "skipped")},
        "run": {key: e.run[key] for key in RUN},
        "anchors": {"used": e.anchors.get("used", {})},
        "manifest": {key: e.manifest[key] for key in ("splits", "class_counts")},
        "placed": e.placed and asdict(e.placed),
        "shifts": shifts.astype(object).to_dict("records"),
        "beside_corners": e.beside_corners,
    }
    return _plain(content)


def evidence(content: Mapping[str, Any]) -> Evidence:
    """The evidence that `kept` was made of."""
    params = flat(Params().model_dump(mode="json")) | content["params"]
    made = Evidence(Project(Path("nowhere")), params, content["metrics"])
    known = {name: content.get(name) for name in (*PLAIN, "run", "anchors", "manifest")}
    loaded = content["loaded"]
    known["loaded"] = loaded and loaded | {"matched": [""] * loaded["matched"]}
    known["label_map"] = {int(key): name for key, name in content["label_map"].items()}
    known["history"] = pd.DataFrame(content["history"], dtype=float)
    known["shifts"] = pd.DataFrame(content["shifts"], columns=["split", "column", "psi", "baseline", "current"])
    known["placed"] = Placement(**content["placed"]) if content["placed"] else None
    known["beside_corners"] = Beside(*content["beside_corners"]) if content["beside_corners"] else None
    known["labels"] = pd.DataFrame()
    vars(made).update(known)
    return made


def read(strength: str) -> dict[str, dict[str, Any]]:
    """The cases of a strength, or of `healthy`, by name: `kept`, or `stopped` with the error; none: never run."""
    path = FOLDER / f"{strength}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {content.pop("case"): content for content in map(json.loads, lines)}


def write(strength: str, cases: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """The counterpart of `read`."""
    lines = [json.dumps({"case": name} | dict(content), separators=(",", ":")) for name, content in cases]
    with atomic(FOLDER / f"{strength}.jsonl") as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _named(value: Any) -> Any:
    """The value; of a path, the last part."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _plain(value: Any) -> Any:
    """The value with Python's own numbers, rounded, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return _short(value) if isinstance(value, float) else value


def _short(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{DIGITS}g}")
