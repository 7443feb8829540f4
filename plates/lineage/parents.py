"""The weights that training started from: their content, and the record of the run that made them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plates.lineage.record import Record


def parents(checkpoint: Path, records: Sequence[Record]) -> dict[str, Any]:
    """What the run of a checkpoint started from, as the run recorded it; empty for random weights.

    `pretrained` is `model.pretrained`, `content` the hash of the checkpoint that it named, `sha256` that of the file
    that was loaded, `record` the id of the record that the checkpoint is of. Each only if known.
    """
    run = json.loads((checkpoint / "model.json").read_text(encoding="utf-8"))["run"]
    name, *content = run["fingerprint"]["pretrained"]
    if name == "none":
        return {}
    report = checkpoint / "load_report.json"
    loaded = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    found: dict[str, Any] = {"pretrained": name, "content": content[0] if content else None}
    found["sha256"] = loaded.get("sha256")
    found["record"] = next((r.id for r in reversed(records) if r.outputs.get("models/checkpoint") in content), None)
    return {key: value for key, value in found.items() if value is not None}
