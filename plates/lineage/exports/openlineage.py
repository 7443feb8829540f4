"""A record as OpenLineage's run events, spec 2-0-2: https://openlineage.io/spec/2-0-2/OpenLineage.json.

One event a stage, with the files that it read and wrote as data sets in their version. The run of the last stage has
the facet `plates_record`: the record's id, its code, parameters and figures.
"""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from uuid import NAMESPACE_URL, uuid5

from plates.errors import UserError
from plates.files import atomic
from plates.lineage.origin import Steps
from plates.lineage.record import Record

NAMESPACE = "plates"
PRODUCER = "https://openlineage.io/producer/plates"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
VERSION = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
PARENT = "https://openlineage.io/spec/facets/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet"
OWN = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet"
TIMEOUT_S = 10


def events(record: Record) -> list[dict[str, Any]]:
    """The events in the order of the stages; equal records give equal events."""
    steps = Steps(record)
    names = list(steps.stages)
    found = []
    for name in names:
        stage = steps.stages[name]
        facets: dict[str, Any] = {"parent": _parent(record)}
        if name == names[-1]:
            facets["plates_record"] = _record(record)
        found.append(
            {
                "eventType": "COMPLETE",
                "eventTime": record.time,
                "producer": PRODUCER,
                "schemaURL": SPEC,
                "run": {"runId": _run_id(record, name), "facets": facets},
                "job": {"namespace": NAMESPACE, "name": name, "facets": {}},
                "inputs": [_dataset(path, md5) | {"inputFacets": {}} for path, md5 in steps.inputs(name).items()],
                "outputs": [
                    _dataset(out["path"], out["md5"]) | {"outputFacets": {}}
                    for out in stage.get("outs", [])
                    if "md5" in out
                ],
            }
        )
    return found


def write(record: Record, target: str) -> int:
    """Writes the events, one JSON a line, into a file, or posts them to an endpoint; returns how many.

    Args:
        record: to export.
        target: a file, or the address of a server such as Marquez: `http://HOST:PORT`.

    Raises:
        UserError: the endpoint refuses them.
    """
    found = events(record)
    if not target.startswith(("http://", "https://")):
        with atomic(Path(target)) as temporary:
            temporary.write_text("".join(json.dumps(event) + "\n" for event in found), encoding="utf-8")
        return len(found)
    address = f"{target.rstrip('/')}/api/v1/lineage"
    for event in found:
        content = json.dumps(event).encode()
        request = urllib.request.Request(address, content, {"Content-Type": "application/json"})
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
        except (URLError, TimeoutError) as error:
            raise UserError(f"{address} refuses the events: {error}") from error
    return len(found)


def _run_id(record: Record, stage: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"plates:{record.id}:{stage}"))


def _parent(record: Record) -> dict[str, Any]:
    run = {"runId": _run_id(record, "")}
    return {
        "_producer": PRODUCER,
        "_schemaURL": PARENT,
        "run": run,
        "job": {"namespace": NAMESPACE, "name": "pipeline"},
    }


def _record(record: Record) -> Mapping[str, Any]:
    kept = record.model_dump(include={"id", "metrics", "params", "packages", "machine", "parents", "runs", "door"})
    code = {name: record.code.get(name) for name in ("commit", "changed", "tree")}
    return {"_producer": PRODUCER, "_schemaURL": OWN, **kept, "code": code}


def _dataset(path: str, md5: str) -> dict[str, Any]:
    version = {"_producer": PRODUCER, "_schemaURL": VERSION, "datasetVersion": md5}
    return {"namespace": NAMESPACE, "name": path, "facets": {"version": version}}
