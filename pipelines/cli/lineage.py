"""`plates lineage`: which data produced which mAP."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.app import app, console, note, print_columns
from plates.lineage import record as records
from plates.lineage.gate import METRICS
from plates.lineage.restore import restore as bring_back
from plates.settings.project import Project
from stages import lock

commands = typer.Typer(help="Which data produced which mAP.", invoke_without_command=True)
app.add_typer(commands, name="lineage")

SPARE = ("records", "images", "mAP75", "ccpd_score", "mask_iou", "steps", "time (UTC)", "code", "mAP50", "model")
"""Columns that a narrow terminal may lack, the first to go first."""

RecordId = Annotated[str, typer.Argument(metavar="ID", help="The beginning of a record's id.")]
Other = Annotated[str, typer.Argument(metavar="ID", help="That of the record to compare it with.")]


@commands.callback()
def overview(context: typer.Context) -> None:
    """Lists every evaluation with the data, parameters and code behind it."""
    if context.invoked_subcommand is not None:
        return
    found = records.read_all(Project.find().root)
    if not found:
        console.print("No evaluation yet. Make one: plates run")
        return
    left_out = print_columns(_columns(found), SPARE)
    say = partial(console.print, highlight=False)
    say("+ after the code: source files differed from the commit.")
    if left_out:
        say(f"no room for {', '.join(left_out)}: plates lineage | less -S")
    say("One of them whole: plates lineage show ID. What changed between two: plates lineage diff ID ID")


def _columns(found: Sequence[records.Record]) -> dict[str, list[str]]:
    figures = {
        name: ["" if record.metrics.get(name) is None else f"{record.metrics[name]:.3f}" for record in found]
        for name in METRICS
    }
    return {
        "record": [record.id[:8] for record in found],
        "time (UTC)": [record.time[:16].replace("T", " ") for record in found],
        **{name: cells for name, cells in figures.items() if any(cells)},
        "model": [record.params["model"]["name"].removeprefix("efficientdet-") for record in found],
        "steps": [f"{record.metrics['steps']:,}" for record in found],
        "images": [f"{record.metrics['images']:,}" for record in found],
        "raw images": [record.outputs["data/raw_images.parquet"][:8] for record in found],
        "records": [record.outputs["data/tfrecords"][:8] for record in found],
        "code": [(record.code["commit"] or "no git")[:8] + ("+" if record.code["changed"] else "") for record in found],
    }


@commands.command()
def show(record: RecordId) -> None:
    """Print one record, whole."""
    found = records.find(Project.find().root, record)
    console.print_json(found.model_dump_json(exclude={"params_yaml", "dvc_lock"}))


@commands.command()
def diff(first: RecordId, second: Other) -> None:
    """Show what differs between two evaluations: parameters, data, code, packages, metrics."""
    root = Project.find().root
    table = Table()
    for heading in ("what", first, second):
        table.add_column(heading, overflow="fold")
    for what, left, right in records.differences(records.find(root, first), records.find(root, second)):
        table.add_row(what, str(left), str(right))
    console.print(table if table.row_count else "Nothing differs.")


@commands.command()
def restore(record: RecordId) -> None:
    """Bring back the parameters, data and model of a record, from DVC's cache."""
    root = Project.find().root
    found = records.find(root, record)
    with lock.work(root, "plates lineage restore", note):
        kept = bring_back(root, found)
    figures = ", ".join(f"{n} {found.metrics[n]:.3f}" for n in METRICS if found.metrics.get(n) is not None)
    console.print(
        f"params.yaml, dvc.lock, data and models are those of {found.id[:8]} ({figures}).\n"
        "Metrics, reports and plots are still those of the last run: `plates run` makes them anew.\n"
        f"What was here before: {kept.relative_to(root)}"
    )
