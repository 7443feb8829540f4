"""`plates lineage`: which data produced which mAP."""

from typing import Annotated

import typer
from rich.table import Table

from lineage import record as records
from lineage.gate import METRICS
from lineage.restore import restore as bring_back
from pipelines.cli.app import app, console
from settings.project import Project

commands = typer.Typer(help="Which data produced which mAP.", invoke_without_command=True)
app.add_typer(commands, name="lineage")


@commands.callback()
def overview(context: typer.Context) -> None:
    """Lists every evaluation with the data, parameters and code behind it."""
    if context.invoked_subcommand is not None:
        return
    found = records.read_all(Project.find().root)
    if not found:
        console.print("No evaluation yet. Make one: plates run")
        return
    table = Table()
    for column in ("record", "time (UTC)", *METRICS, "model", "images", "raw images", "records", "code"):
        table.add_column(column, overflow="fold")
    for record in found:
        commit = (record.code["commit"] or "no git")[:8] + ("+" if record.code["changed"] else "")
        table.add_row(
            record.id[:8],
            record.time[:16].replace("T", " "),
            *("" if record.metrics.get(name) is None else f"{record.metrics[name]:.3f}" for name in METRICS),
            f"{record.params['model']['name']}, {record.metrics['steps']} steps",
            f"{record.metrics['images']:,}",
            record.outputs["data/raw_images.parquet"][:8],
            record.outputs["data/tfrecords"][:8],
            commit,
        )
    console.print(table)
    console.print(
        "+ after the code: source files differed from the commit. What changed between two: plates lineage diff A B"
    )


@commands.command()
def show(record: Annotated[str, typer.Argument(help="The beginning of a record's id.")]) -> None:
    """Print one record, whole."""
    found = records.find(Project.find().root, record)
    console.print_json(found.model_dump_json(exclude={"params_yaml", "dvc_lock"}))


@commands.command()
def diff(first: str, second: str) -> None:
    """Show what differs between two evaluations: parameters, data, code, packages, metrics."""
    root = Project.find().root
    table = Table("what", first, second)
    for what, left, right in records.differences(records.find(root, first), records.find(root, second)):
        table.add_row(what, str(left), str(right))
    console.print(table if table.row_count else "Nothing differs.")


@commands.command()
def restore(record: Annotated[str, typer.Argument(help="The beginning of a record's id.")]) -> None:
    """Bring back the parameters, data and model of a record, from DVC's cache."""
    root = Project.find().root
    found = records.find(root, record)
    kept = bring_back(root, found)
    figures = ", ".join(f"{n} {found.metrics[n]:.3f}" for n in METRICS if found.metrics.get(n) is not None)
    console.print(
        f"params.yaml, dvc.lock, data and models are those of {found.id[:8]} ({figures}).\n"
        f"What was here before: {kept.relative_to(root)}"
    )
