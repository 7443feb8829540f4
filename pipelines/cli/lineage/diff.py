"""`plates lineage diff`: what differs between two evaluations."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import note, say
from pipelines.cli.lineage.overview import Other, RecordId, commands
from pipelines.lineage.diff import difference, write_changes
from pipelines.lineage.page import write
from plates.errors import UserError
from plates.lineage import record as records
from plates.settings.project import Project


@commands.command()
def diff(
    first: RecordId,
    second: Other,
    photographs: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to list every changed photograph in, .json or .csv.")
    ] = None,
    page: Annotated[Path | None, typer.Option(dir_okay=False, help="HTML page to show the photographs on.")] = None,
) -> None:
    """Show what differs between two evaluations: photographs, parameters, code, packages, machine, results."""
    project = Project.find()
    root = project.root
    if photographs is not None and photographs.suffix not in (".json", ".csv"):
        raise UserError(f"{photographs}: the list can be written as .json or .csv")
    old, new = records.find(root, first), records.find(root, second)
    found = difference(root, old, new)
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
        write(page, project, old, new, found)
        note(f"photographs: {page}")
