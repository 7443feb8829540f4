"""Tells Dagster about results it did not see made: restored by `dvc repro`, `dvc checkout` or `dvc pull`.

Dagster would take the last result it made for the current one, and call stale what is up to date, or the reverse.
It has no public way to say where a result came from, so the result carries the tags that Dagster's own runs write.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

import assets
from pipelines.dagster_private import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
    NULL_EVENT_POINTER,
)
from plates.hashes import content_hash
from plates.settings.project import Project
from stages import dvc_lock, lock
from stages.dvc_lock import Entry
from stages.stage import Stage

LOOKED_AT = 50
"""How many of an asset's last results are searched for the figures of a restored one."""


def report(root: Path, instance: dg.DagsterInstance) -> list[str]:
    """Reports the current results that Dagster does not know about, and returns the names of their assets."""
    found = list(unknown(root, instance))
    for event in found:
        instance.report_runless_asset_event(event)
    return [event.asset_key.to_user_string() for event in found]


def unknown(root: Path, instance: dg.DagsterInstance) -> Iterator[dg.AssetMaterialization]:
    """The results that `dvc.lock` names, that are on disk, and that are not the last ones Dagster knows."""
    graph, entries = assets.graph(), dvc_lock.read(root)
    maker = assets.writers(graph)
    for name, stage in graph.items():
        if name not in entries or not set(stage.versioned) <= set(entries[name].outs):
            continue
        inputs = [graph[one] for one in sorted({maker[path].name for path in stage.reads})]
        versions = _versions(stage, inputs, entries)
        last = instance.get_latest_materialization_event(dg.AssetKey(name))
        known = (last and last.asset_materialization and last.asset_materialization.tags) or {}
        if versions.items() <= known.items() or not _on_disk(root, stage, entries[name]):
            continue
        yield dg.AssetMaterialization(
            name,
            description="from DVC's cache: made earlier with the same code, parameters and inputs",
            metadata=_figures(instance, name, versions[DATA_VERSION_TAG]),
            tags={**versions, **{f"{INPUT_EVENT_POINTER_TAG_PREFIX}/{one.name}": NULL_EVENT_POINTER for one in inputs}},
        )


def _versions(stage: Stage, inputs: Sequence[Stage], entries: Mapping[str, Entry]) -> dict[str, str]:
    """The versions of a stage's result and inputs, in the tags that Dagster's own runs write.

    An input that differs from the one in `dvc.lock` gets a version that no result has.
    """
    entry = entries[stage.name]
    tags = {
        CODE_VERSION_TAG: entry.began(stage).version,
        DATA_VERSION_TAG: stage.data_version(entry.outs),
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    for one in inputs:
        present = entries[one.name].outs if one.name in entries else {}
        hashes = {**dict.fromkeys(one.versioned, "unknown"), **present, **entry.deps}
        tags[f"{INPUT_DATA_VERSION_TAG_PREFIX}/{one.name}"] = one.data_version(hashes)
    return tags


def _on_disk(root: Path, stage: Stage, entry: Entry) -> bool:
    return all((root / path).exists() and content_hash(root / path) == entry.outs[path] for path in stage.versioned)


def _figures(instance: dg.DagsterInstance, name: str, version: str) -> Mapping[str, Any]:
    """The metadata Dagster has from when the same result was made; empty if it did not see that."""
    records = instance.fetch_materializations(dg.AssetKey(name), limit=LOOKED_AT).records
    made = [record.asset_materialization for record in records]
    return next((one.metadata for one in made if one and one.tags and one.tags.get(DATA_VERSION_TAG) == version), {})


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Shows what DVC restored: `dvc repro` from its cache, `dvc checkout`, `dvc pull`. Starts no run.",
)
def results_of_dvc(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SensorResult:
    """Reports the current results that Dagster does not know about, if files changed since the last look."""
    seen = ",".join(_touched(project.root / path) for path in (dvc_lock.FILE, *assets.writers(assets.graph())))
    if context.cursor == seen:
        return dg.SensorResult(skip_reason="no result changed")
    if turn := lock.at_work(project.root):
        return dg.SensorResult(skip_reason=f"waiting for {turn}")
    return dg.SensorResult(asset_events=list(unknown(project.root, context.instance)), cursor=seen)


def _touched(path: Path) -> str:
    return f"{path.stat().st_ino}:{path.stat().st_mtime_ns}" if path.exists() else ""
