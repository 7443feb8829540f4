"""Writes docs/graph.md from what Dagster loads: `python -m pipelines.page`.

A test compares the page with the definitions, so that every change to keys, dependencies, checks, jobs and automation
shows in review.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

import assets
from pipelines.definitions import defs
from plates.files import atomic
from stages.asset import RETRIES, WAIT_S, WARNED
from stages.code import ROOT

PAGE = ROOT / "docs" / "graph.md"

TEXT = """# The graph

Made by `python -m pipelines.page` from what Dagster loads.

## Assets

Each is also a stage of `dvc.yaml`, except those made on request only. One run at a time works on a project, and one
asset of the pool `gpu` at a time.
If storage fails in a way that may be temporary, an asset is retried {retries} times, {wait} seconds apart.

{assets}

An "automatic" asset is made again when the content of its inputs is new and none of their blocking checks failed, once
you switch on `default_automation_condition_sensor` in the UI. `raw_images` reads no asset: a run of it, or of a job,
starts the chain. The UI warns if no run has looked at the photographs for {days} days.

Outside the graph, `delivery` has a partition for every folder of `data.root`: that folder validated on its own, with a
history of verdicts ([retraining](retraining.md)). Nothing reads it.

## Checks

If a blocking check fails, nothing downstream is made in that run.

{checks}

## Jobs

{jobs}

A run takes settings in the launchpad (hold shift and click "Materialize"), or with `dg launch --config-json`, under
`resources`, `project`, `config`: [every setting](hyperparameters.md), with its type and meaning. Settings given there
are written to `params.yaml` when the run begins, as `plates run --set` does, and stay.

## Schedules and sensors

{automations}
"""


def render() -> str:
    """The whole page."""
    return TEXT.format(
        retries=RETRIES,
        days=WARNED.days,
        wait=WAIT_S,
        assets=_table(("asset", "group", "reads", "writes", "pool", "made"), _assets()),
        checks=_table(("asset", "check", "blocks", "what must be true"), _checks()),
        jobs=_table(("job", "assets", "what it does"), _jobs()),
        automations=_table(("name", "starts", "when", "at first", "what it does"), [*_schedules(), *_sensors()]),
    )


def _assets() -> Iterator[list[str]]:
    graph = defs.resolve_asset_graph()
    for name, stage in (assets.graph() | assets.on_request()).items():
        node = graph.get(dg.AssetKey(name))
        reads = sorted(key.to_user_string() for key in node.parent_keys)
        writes = [f"`{out.path}`" for out in stage.writes]
        made = (
            "automatic"
            if node.automation_condition
            else "on every run"
            if stage.always
            else "on request"
            if not stage.in_dvc
            else ""
        )
        yield [name, node.group_name or "", ", ".join(reads), ", ".join(writes), stage.pool or "", made]


def _checks() -> Iterator[list[str]]:
    graph, order = defs.resolve_asset_graph(), [*assets.graph(), "delivery"]
    for key in sorted(graph.asset_check_keys, key=lambda key: (order.index(_name(key)), key.name)):
        node = graph.get(key)
        yield [_name(key), key.name, "yes" if node.blocking else "", node.description or ""]


def _name(key: dg.AssetCheckKey) -> str:
    return key.asset_key.to_user_string()


def _jobs() -> Iterator[list[str]]:
    for name in sorted(job.name for job in defs.jobs or ()):
        job = defs.resolve_job_def(name)
        chosen = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
        every = chosen == assets.graph().keys()
        selected = "all" if every else ", ".join(sorted(chosen, key=list(assets.graph()).index))
        yield [name, selected or "delivery", job.description or ""]


def _schedules() -> Iterator[list[str]]:
    for one in defs.schedules or ():
        assert isinstance(one, dg.ScheduleDefinition)
        zone = one.execution_timezone or "UTC"
        yield [
            one.name,
            one.job_name,
            f"`{one.cron_schedule}` {zone}",
            one.default_status.value.lower(),
            one.description or "",
        ]


def _sensors() -> Iterator[list[str]]:
    for one in defs.sensors or ():
        starts = (one.job_name or "") if one.has_jobs else ""
        every = f"every {one.minimum_interval_seconds} s"
        yield [one.name, starts, every, one.default_status.value.lower(), one.description or ""]


def _table(headings: Iterable[str], rows: Iterable[list[str]]) -> str:
    lines = [list(headings), *rows]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Writes the page."""
    with atomic(PAGE) as temporary:
        temporary.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
