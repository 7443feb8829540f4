"""`plates champions`, `plates rollback`, `plates promote`: which model is in service, and why."""

from typing import Annotated

import typer

from pipelines.cli.app import app, console, note, print_columns
from plates.errors import UserError
from plates.lineage import champion as of
from plates.metrics import METRICS
from plates.settings.project import Project
from stages import lock

SPARE = ("test set", "decision", "time (UTC)", "reason")

Target = Annotated[str | None, typer.Argument(metavar="ID", help="First characters of a record's id.")]


@app.command()
def champions(
    repair: Annotated[bool, typer.Option("--repair", help="Restore models/champion from the cache.")] = False,
) -> None:
    """List every decision about the model in service, with its reason."""
    project = Project.find()
    if repair:
        with lock.work(project.root, "plates champions --repair", note):
            record = of.repair(project.root)
        _tell_dvc()
        console.print(f"in service again: record {record[:8]}", highlight=False)
    found = of.listed(project.root)
    if not found:
        console.print("No model has been judged yet: plates run")
        return
    figures = {
        name: [
            f"{record.metrics[name]:.3f}" if record and record.metrics.get(name) is not None else ""
            for _, record in found
        ]
        for name in METRICS
    }
    left_out = print_columns(
        {
            "decision": [verdict.id[:8] for verdict, _ in found],
            "time (UTC)": [verdict.time[:16].replace("T", " ") for verdict, _ in found],
            "by": [verdict.kind for verdict, _ in found],
            "record": [verdict.challenger[:8] for verdict, _ in found],
            **{name: cells for name, cells in figures.items() if any(cells)},
            "": ["in service" if verdict.promoted else "refused" for verdict, _ in found],
            "test set": [verdict.test_set or "" for verdict, _ in found],
            "reason": [" – ".join(filter(None, (verdict.because, verdict.reason))) for verdict, _ in found],
        },
        SPARE,
    )
    if left_out:
        note(f"too narrow for {', '.join(left_out)}: plates champions | less -S")
    last = found[-1][0]
    console.print(f"in service: {last.after[:8] if last.after else 'none'}. Last: {last.reason}", soft_wrap=True)
    if wrong := of.another(project.root):
        raise UserError(wrong)


@app.command()
def rollback(
    record: Target = None,
    because: Annotated[str | None, typer.Option(help="The reason, shown in the list.")] = None,
) -> None:
    """Put an earlier champion back in service: the previous one, or the one named."""
    root = Project.find().root
    with lock.work(root, "plates rollback", note):
        verdict = of.rollback(root, record, because)
    _said(verdict)


@app.command()
def promote(
    record: Annotated[str, typer.Argument(metavar="ID", help="First characters of a record's id.")],
    because: Annotated[str, typer.Option(help="The reason, shown in the list.")],
    new_bar: Annotated[bool, typer.Option("--new-bar", help="The gate compares later models with this one.")] = False,
) -> None:
    """Put the model of a record in service without asking the gate."""
    root = Project.find().root
    with lock.work(root, "plates promote", note):
        verdict = of.promote(root, record, because, new_bar)
    _said(verdict)


def _said(verdict: of.Verdict) -> None:
    _tell_dvc()
    console.print(f"in service: record {(verdict.after or '')[:8]}, {verdict.reason}", highlight=False)


def _tell_dvc() -> None:
    """Runs the asset: it accepts the folder as it is, judges nothing twice, and has DVC track it."""
    from pipelines.cli.run import materialize

    materialize(["champion"])
