"""`plates lineage`: which data produced which mAP."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import Commands, app, complain, console, note, print_columns
from pipelines.lineage.diff import difference, write_changes
from pipelines.lineage.page import write
from plates.errors import UserError
from plates.lineage import record as records
from plates.lineage.gate import METRICS
from plates.lineage.restore import restore as bring_back
from plates.lineage.restore import restore_to as bring_back_to
from plates.lineage.working_tree import tree_hash
from plates.photographs.content import Photographs
from plates.settings.project import Project
from stages import lock
from stages.dvc_fetch import fetcher

commands = typer.Typer(cls=Commands, help="Which data produced which mAP.", invoke_without_command=True)
app.add_typer(commands, name="lineage")

SPARE = ("tfrecords", "images", "mAP75", "ccpd_score", "mask_iou", "steps", "time (UTC)", "code", "mAP50", "model")
"""Columns that a narrow terminal may lack, the first to go first."""

RecordId = Annotated[str, typer.Argument(metavar="ID", help="The beginning of a record's id.")]
Other = Annotated[str, typer.Argument(metavar="ID", help="That of the record to compare it with.")]


@commands.callback()
def overview(context: typer.Context) -> None:
    """Lists every evaluation with the data, parameters and code behind it."""
    if context.invoked_subcommand is not None:
        return
    root = Project.find().root
    found = records.read_all(root)
    for unfit in records.unfit(root):
        complain(f"not believed: {unfit.why}")
    if not found:
        console.print("No evaluation yet. Make one: plates run")
        return
    left_out = print_columns(_columns(found), SPARE)
    say = partial(console.print, highlight=False)
    say("+ after the code: files of the code differed from the commit; the record keeps the patch.")
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
        "tfrecords": [record.outputs["data/tfrecords"][:8] for record in found],
        "code": [(record.code["commit"] or "no git")[:8] + ("+" if record.code["changed"] else "") for record in found],
    }


@commands.command()
def show(record: RecordId) -> None:
    """Print one record, whole."""
    found = records.find(Project.find().root, record)
    console.print_json(found.model_dump_json(exclude={"params_yaml", "dvc_lock"}))


@commands.command()
def diff(
    first: RecordId,
    second: Other,
    photographs: Annotated[
        Path | None, typer.Option(help="List every photograph that changed in this file, .json or .csv.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Show the photographs on this page, .html.")] = None,
) -> None:
    """Say what differs between two evaluations: photographs, parameters, code, packages, machine, results."""
    project = Project.find()
    root = project.root
    if photographs is not None and photographs.suffix not in (".json", ".csv"):
        raise UserError(f"{photographs}: the list is written as .json or .csv")
    old, new = records.find(root, first), records.find(root, second)
    found = difference(root, old, new)
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    say(found.headline)
    for section in found.sections:
        if section.lines:
            say(f"\n{section.title}")
            for line in section.lines:
                say(f"  {line}")
    if same := [section.title.lower() for section in found.sections if not section.lines]:
        say(f"\nThe same: {', '.join(same)}")
    for line in found.notes:
        note(line)
    if photographs is not None:
        if found.comparison is None:
            raise UserError(f"no list of photographs: {'; '.join(found.notes)}")
        write_changes(photographs, found.comparison)
        note(f"{len(found.comparison.changes):,} changes and {len(found.comparison.turned):,} plates: {photographs}")
    if page is not None:
        write(page, root, Photographs(project.photographs, project.converted), old, new, found)
        note(f"the photographs: {page}")


@commands.command()
def restore(
    record: RecordId,
    to: Annotated[Path | None, typer.Option(help="A new folder for it, with its code.")] = None,
) -> None:
    """Bring back the parameters, data and model of a record, from DVC's cache and remotes; DVC itself is not needed."""
    root = Project.find().root
    found = records.find(root, record)
    fetch = fetcher(root)
    if to is None:
        with lock.work(root, "plates lineage restore", note):
            done = bring_back(root, found, fetch)
    else:
        done = bring_back_to(root, found, to, fetch)
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    say(f"{to or 'Here'}: parameters, data and models are those of {found.short} ({_figures(found)}); hashes checked.")
    say(f"{len(done.put)} outputs brought back, {len(done.same)} were so already.")
    if done.not_kept:
        say(f"Kept nowhere, `plates run` makes them anew: {', '.join(done.not_kept)}")
    if done.kept is not None:
        say(f"What was here before: {done.kept.relative_to(root)}")
        say(_code_advice(root, found))


def _figures(record: records.Record) -> str:
    return ", ".join(f"{name} {record.metrics[name]:.3f}" for name in METRICS if record.metrics.get(name) is not None)


def _code_advice(root: Path, record: records.Record) -> str:
    """Whether the code here is the record's, and how to get that."""
    if record.code.get("tree") == tree_hash(root):
        return "The code here is the record's."
    commit, edited = record.code["commit"], " and edits, which the record keeps" if record.code["changed"] else ""
    return (
        f"The code here is not the record's ({'commit ' + commit[:8] if commit else 'outside Git'}{edited}). "
        f"A folder with all of it: plates lineage restore {record.short} --to FOLDER"
    )
