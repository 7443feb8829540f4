"""Run the pipeline: `plates run`, `plates materialize`, `plates params`."""

import os
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from pipelines import inputs
from pipelines.cli.app import app, complain, console, note, say
from pipelines.repro import repro, require_git
from pipelines.resources import use_instance
from plates.errors import UserError
from plates.settings import automl_overrides as hparams
from plates.settings import edit
from plates.settings.params import Params, alike, knobs
from plates.settings.project import Project
from stages import faults, lock
from stages.code import require_own_code


@app.command()
def run(
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting for params.yaml, such as train.steps=800. Repeatable."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of photographs; sets data.root.")] = None,
    hparams_file: Annotated[
        Path | None, typer.Option("--hparams", help="A file of overrides in google/automl's YAML.")
    ] = None,
) -> None:
    """Run whatever is out of date, then show the result. The same as `dvc repro`, with a summary."""
    project = Project.find()
    require_own_code(project.root)
    words = [*(assignments or []), *([f"data.root={data}"] if data else [])]
    changes = edit.parse(words)
    if hparams_file:
        overrides = hparams.read(hparams_file)
        changes = overrides.changes | changes
        if overrides.left_out:
            note(overrides.left_out)
    with lock.turn(project.root, "plates run", note) as turn:
        if said := faults.conflicts(project.root):
            raise UserError(said)
        if said := require_git(project.root):
            note(f"note: {said}")
        edit.write(project.root / "params.yaml", changes, partial(inputs.require, project))
        if changes:
            say("params.yaml: " + ", ".join(f"{key} = {edit.as_yaml(value)}" for key, value in changes.items()))
        before = _lock_file(project)
        code = repro(project.root)
        _report_restored(project)
    project = Project(project.root)
    from pipelines.summary import show, stopped

    if code:
        complain(stopped(project, turn))
        raise typer.Exit(1)
    if before == _lock_file(project):
        console.print("Everything is up to date: nothing has changed.")
    show(project, console)


def _report_restored(project: Project) -> None:
    """Tells Dagster about results that came from DVC's cache."""
    import dagster as dg

    from pipelines import restored

    os.chdir(project.root)
    use_instance(project)
    with dg.DagsterInstance.get() as instance:
        restored.report(project.root, instance)


def _lock_file(project: Project) -> bytes:
    """What DVC knows of the last run of each stage."""
    file = project.root / "dvc.lock"
    return file.read_bytes() if file.exists() else b""


@app.command()
def materialize(
    names: Annotated[list[str], typer.Argument(help="Assets, by name, in any order.")],
) -> None:
    """Materialize assets here and now, with their checks. This is what the stages of dvc.yaml run."""
    project = Project.find()
    os.chdir(project.root)
    use_instance(project)
    with lock.work(project.root, f"plates materialize {' '.join(names)}", note) as turn:
        from pipelines.materialize import materialize as run_assets

        failures = run_assets(project.root, names, turn, say)
    for failure in failures:
        complain(failure)
    if failures:
        raise typer.Exit(1)


@app.command()
def params(
    pattern: Annotated[str, typer.Argument(help="Show the settings whose name contains this.")] = "",
) -> None:
    """Print the settings of params.yaml: value, default if different, meaning, and when to change it."""
    found = [(key, field) for key, field in knobs() if pattern in key]
    if not found:
        near = f"Nearest: {', '.join(alike(pattern))}. " if alike(pattern) else ""
        raise UserError(f"no setting's name contains {pattern!r}. {near}All settings: plates params")
    values = _values()
    for key, field in found:
        value, default = reduce(getitem, key.split("."), values), field.get_default(call_default_factory=True)
        line = Text.assemble((key, "bold"), f" = {edit.as_yaml(value)}")
        if value != default:
            line.append(f"   (default {edit.as_yaml(default)})", "yellow")
        console.print(line, soft_wrap=True)
        console.print(Padding(Text(field.description), (0, 0, 0, 4), expand=False))
    console.print(
        f"{len(found)} of {len(list(knobs()))} settings. Change one: plates run --set KEY=VALUE, or edit params.yaml."
    )


def _values() -> Any:
    """The project's settings; outside a project or if params.yaml is invalid, the defaults and a note why."""
    try:
        return Project.find().params.model_dump()
    except UserError as error:
        note(f"{error}\nThe values below are the defaults.")
        return Params().model_dump()
