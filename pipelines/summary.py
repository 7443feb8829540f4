"""The result of a run: the tables that `plates run` ends with."""

import shutil
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd
from rich.console import Console
from rich.table import Table

import assets
from checks.suites.suite import Outcome
from pipelines import tags
from pipelines.resources import use_instance
from plates.files import read_json
from plates.metrics import measured
from plates.settings.project import Project
from plates.splits.shift import sentences
from plates.why.evidence import of_now
from plates.why.verdict import verdict
from stages import lock


def show(project: Project, console: Console) -> None:
    """Prints the figures of the last evaluation, the seconds each asset took, warnings, and what to type next."""
    metrics = read_json(project.path("metrics/evaluation.json"))
    console.print(_figures(project, metrics))
    use_instance(project)
    with dg.DagsterInstance.get() as instance:
        console.print(_seconds(project, instance))
    if "worst_slice" in metrics:
        console.print(metrics["worst_slice"], markup=False, highlight=False, soft_wrap=True)
    console.print(f"plates why: {verdict(of_now(project)).answer}", markup=False, highlight=False, soft_wrap=True)
    for sentence in warnings(project):
        console.print(f"warning: {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    champion = read_json(project.path("models/champion.json"))
    for label, text in (
        ("champion", decided(champion, read_json(project.path("models/export/record.json"))["record"])),
        ("report", project.path("reports/evaluation.html")),
        ("data", project.path("reports/dataset_card.html")),
        ("model", project.path("models/export/model")),
    ):
        console.print(f"{label:9} {text}", highlight=False, markup=False, soft_wrap=True)
    if shutil.which("plates") is None:
        console.print("first     . .venv/bin/activate", highlight=False)
    console.print(
        "next      plates predict PHOTO.jpg --draw found   |   make ui   |   plates lineage   |   "
        "make run DATA=/path/to/CCPD2019",
        highlight=False,
        soft_wrap=True,
    )


def stopped(project: Project, turn: lock.Turn) -> str:
    """The message for a run that ended early: at a stage, which gives its own reason, or in DVC before any began."""
    use_instance(project)
    with dg.DagsterInstance.get() as instance:
        last = next(iter(instance.get_runs(filters=dg.RunsFilter(tags={tags.RUN: turn.id}), limit=1)), None)
    if last is None or last.status == dg.DagsterRunStatus.SUCCESS:
        return (
            "DVC stopped before any stage started; the reason is above, and `plates doctor` looks for the cause. "
            "Finished work is kept."
        )
    names = ", ".join(sorted(key.to_user_string() for key in last.asset_selection or ()))
    killed = last.status == dg.DagsterRunStatus.STARTED
    reason = "its process was killed (out of memory?)" if killed else "the reason is above"
    return (
        f"the run stopped at {names}: {reason}. Finished work is kept: once the cause is fixed, `plates run` continues "
        "from there."
    )


def warnings(project: Project) -> list[str]:
    """The sentences of the checks that warned, from the reports on disk."""
    report = project.path("reports/validation.json")
    if not report.exists():
        return []
    content = read_json(report)
    said = [balance["sentence"] for balance in content["balance"] if not balance["success"]]
    if content["shift"]:
        said += sentences(pd.DataFrame(content["shift"]), "this delivery, against the last,")
    outcomes = [Outcome.model_validate(outcome) for outcome in content["outcomes"]]
    return said + [one.sentence() for one in outcomes if one.severity == "warning" and not one.success]


def _figures(project: Project, metrics: Mapping[str, Any]) -> Table:
    splits = pd.read_parquet(project.path("data/splits.parquet"), columns=["split"])
    rejected = len(pd.read_parquet(project.path("data/rejected.parquet"), columns=["path"]))
    table = Table(title=f"{project.params.model.name} on {metrics['images']:,} {metrics['split']} photographs")
    known = measured(metrics)
    titles = {
        "ccpd_score": "CCPD score",
        "mask_iou": "mask IoU",
        "corner_iou": "corner IoU",
        "corner_error_px": "corner error (px)",
    }
    for column in ("images", "rejected", *(titles.get(name, name) for name in known)):
        table.add_column(column, justify="right")
    table.add_row(f"{len(splits):,}", f"{rejected:,}", *(f"{value:.3f}" for value in known.values()))
    between = metrics.get("intervals", {})
    if between:
        ends = ("{:.3f}–{:.3f}".format(*between[name]) if between.get(name) else "" for name in known)
        table.add_row("95%", "", *ends, style="dim")
    return table


def _seconds(project: Project, instance: dg.DagsterInstance) -> Table:
    table = Table(title="when it last ran")
    table.add_column("asset")
    table.add_column("seconds", justify="right")
    for name in assets.graph():
        event = instance.get_latest_materialization_event(dg.AssetKey(name))
        if event is None or event.asset_materialization is None:
            continue
        seconds = event.asset_materialization.metadata.get("seconds")
        table.add_row(name, f"{seconds.value:.1f}" if seconds else "")
    return table


def decided(champion: Mapping[str, Any], record: str) -> str:
    """What the last decision about the model in service (`models/champion.json`) means for the model of `record`."""
    decision = champion["decision"]
    if decision["challenger"] == record and decision["kind"] == "gate":
        return f"{'promoted' if decision['promoted'] else 'not promoted'}: {decision['reason']}"
    if champion["record"] == record:
        return f"in service: {decision['reason']}"
    stays = f"{champion['record'][:8]} stays in service" if champion["record"] else "no model is in service"
    return f"{stays}; {record[:8]} was judged before (plates champions)"
