"""`plates suspects`: labels that are likely wrong."""

import os
from functools import partial
from typing import Annotated

import typer

from pipelines import inputs
from pipelines.cli.app import app, complain, note, say
from pipelines.resources import use_instance
from plates.errors import UserError
from plates.settings import edit
from plates.settings.project import Project
from stages import lock
from stages.code import require_own_code

ASSET = "suspects"


@app.command()
def suspects(
    folds: Annotated[
        int | None, typer.Option(min=3, help="Trainings, of at most 500 steps each; sets suspects.folds.")
    ] = None,
) -> None:
    """Find labels that are likely wrong: unlabelled plates, moved or swapped boxes.

    Prints lines for label_decisions.csv that would fix them; reports/suspects.html shows each. The results are kept
    until labels, settings or code change.
    """
    project = Project.find()
    require_own_code(project.root)
    os.chdir(project.root)
    use_instance(project)
    with lock.work(project.root, "plates suspects", note) as turn:
        if folds is not None:
            edit.write(project.root / "params.yaml", {"suspects.folds": folds}, partial(inputs.require, project))
            project = Project(project.root)
        if not project.params.suspects.folds:
            raise UserError(
                "the search is off: suspects.folds is 0. To search with 5 trainings: plates suspects --folds 5"
            )
        from pipelines.materialize import materialize

        failures = materialize(project.root, [ASSET], turn, note)
    for failure in failures:
        complain(failure)
    if failures:
        raise typer.Exit(1)
    _show(project)


def _show(project: Project) -> None:
    from plates.files import read_table
    from plates.suspects.decisions import FILE
    from plates.suspects.page import proposals

    found = read_table(project.path("data/suspects.parquet"))
    if found.empty:
        note("no label is contradicted by two trainings that did not see it")
        return
    for line in proposals(found):
        say(line)
    note(
        f"{len(found):,} labels are doubtful: look at each in {project.path('reports/suspects.html')}. Copy the lines "
        f"above that you agree with into {FILE}; write PATH,keep,,,, if the label is right, PATH,drop,,,, if the "
        "photograph is useless. Then: plates run"
    )
