"""`plates lineage`: which data produced which mAP."""

import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import Commands, app, complain, console, note, print_columns
from pipelines.lineage import timeline
from plates.lineage import record as records
from plates.lineage.differences import short
from plates.metrics import METRICS, measured
from plates.settings.project import Project

commands = typer.Typer(cls=Commands, help="Which data produced which mAP.", invoke_without_command=True)
app.add_typer(commands, name="lineage")

SPARE = (
    *("tfrecords", "images", "mAP75", "ccpd_score", "mask_iou", "corner_error_px", "corner_iou", "raw images", "code"),
    *("steps", "model", "mAP50", "time (UTC)"),
)
"""Columns to leave out in a narrow terminal, in this order."""

RecordId = Annotated[str, typer.Argument(metavar="ID", help="First characters of a record's id.")]
Other = Annotated[str, typer.Argument(metavar="ID", help="The id of the record to compare it with.")]


@commands.callback()
def overview(
    context: typer.Context,
    page: Annotated[
        Path | None, typer.Option(dir_okay=False, help="HTML page to draw them all on, with what changed.")
    ] = None,
) -> None:
    """List every evaluation with the data, parameters and code behind it."""
    if context.invoked_subcommand is not None:
        return
    root = Project.find().root
    found = records.read_all(root)
    for unfit in records.unfit(root):
        complain(f"ignored: {unfit.why}")
    if not found:
        console.print("There is no evaluation yet. Make one: plates run")
        return
    if page is not None:
        with typer.progressbar(length=len(found) - 1, label="records compared", file=sys.stderr) as bar:
            timeline.write(page, root, lambda done, total: bar.update(1))
        note(f"{len(found)} {'record' if len(found) == 1 else 'records'}: {page}")
        return
    left_out = print_columns(_columns(found), SPARE)
    say = partial(console.print, highlight=False)
    if "code" not in left_out:
        say("A + after the code: it differed from the commit; the record keeps the patch.")
    if left_out:
        say(f"no room for {', '.join(left_out)}: plates lineage | less -S")
    say("One in full: plates lineage show ID. What changed between two: plates lineage diff ID ID")


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
        "tfrecords": [record.outputs["data/tfrecords"][:8] for record in found],
        "code": [(record.code["commit"] or "no git")[:8] + ("+" if record.code["changed"] else "") for record in found],
        "changed": ["", *(short(*pair) for pair in pairwise(found))],
    }


@commands.command()
def show(record: RecordId) -> None:
    """Print one record in full."""
    found = records.find(Project.find().root, record)
    console.print_json(found.model_dump_json(exclude={"params_yaml", "dvc_lock"}))


def figures(record: records.Record) -> str:
    """The figures of a record in words."""
    return ", ".join(f"{name} {value:.3f}" for name, value in measured(record.metrics).items())
