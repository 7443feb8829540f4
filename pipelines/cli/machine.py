"""`plates doctor`: the machine."""

import typer

from pipelines.cli.app import app, console


@app.command()
def doctor() -> None:
    """Say what is missing or wrong on this machine, and how to fix it."""
    from pipelines.doctor import examine

    wrong = 0
    said: set[str] = set()
    for finding in examine():
        if not finding.ok and finding.found in said:  # one fault, met twice
            continue
        said.add(finding.found)
        mark = "[green]ok  [/]" if finding.ok else "[red]FIX [/]" if finding.needed else "[yellow]note[/]"
        console.print(f"{mark} {finding.subject}: {finding.found}", highlight=False, soft_wrap=True)
        if not finding.ok:
            console.print(f"       {finding.fix}", highlight=False, markup=False, soft_wrap=True)
            wrong += finding.needed
    if wrong:
        raise typer.Exit(1)
