"""`plates doctor` and `plates status`: the state of the machine and of the project."""

import os

import typer

from pipelines.cli.app import app, console, say
from pipelines.resources import use_instance
from plates.settings.project import Project


@app.command()
def doctor() -> None:
    """Report what is missing or wrong on this machine, and how to fix it."""
    from pipelines.doctor import examine

    wrong = 0
    said: set[str] = set()
    for finding in examine():
        if not finding.ok and finding.found in said:  # the same fault, found twice
            continue
        said.add(finding.found)
        mark = "[green]ok  [/]" if finding.ok else "[red]FIX [/]" if finding.needed else "[yellow]note[/]"
        console.print(f"{mark} {finding.subject}: {finding.found}", highlight=False, soft_wrap=True)
        if not finding.ok:
            console.print(f"       {finding.fix}", highlight=False, markup=False, soft_wrap=True)
            wrong += finding.needed
    if wrong:
        raise typer.Exit(1)


@app.command()
def status() -> None:
    """Show what is in service, running, waiting and out of date, and what failed last and why."""
    import dagster as dg

    from pipelines.status import lines

    project = Project.find()
    os.chdir(project.root)
    use_instance(project)
    with dg.DagsterInstance.get() as instance:
        for heading, text in lines(project, instance):
            say(f"{heading:10}  {text}")
