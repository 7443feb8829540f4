"""Running the pipeline: `plates run`, `plates materialize`, `plates params`, `plates ui`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from lineage.errors import UserError
from pipelines.cli.app import app, complain, console
from pipelines.resources import use_instance
from settings import edit, hparams
from settings.params import knobs
from settings.project import Project


@app.command()
def run(
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting for params.yaml, as data.root=/photos. Repeatable."),
    ] = None,
    hparams_file: Annotated[
        Path | None, typer.Option("--hparams", help="A file of overrides in google/automl's YAML.")
    ] = None,
) -> None:
    """Run whatever is not current, then show what came out. The same as `dvc repro`, with a summary."""
    project = Project.find()
    changes = edit.parse(assignments or [])
    if hparams_file:
        changes = hparams.read(hparams_file) | changes
    if changes:
        edit.write(project.root / "params.yaml", changes)
        console.print("params.yaml: " + ", ".join(f"{key} = {value}" for key, value in changes.items()))
    project = Project(project.root)
    _ = project.params
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=project.root, env=_environment(), check=False)
    if done.returncode:
        complain("the run stopped at the stage named above. What was done before it is kept; run `plates run` again.")
        raise typer.Exit(1)
    from pipelines.summary import show

    show(project, console)


@app.command()
def materialize(
    names: Annotated[list[str], typer.Argument(help="Assets, by name, in any order.")],
) -> None:
    """Materialize assets here and now, with their checks. This is what the stages of dvc.yaml run."""
    project = Project.find()
    os.chdir(project.root)
    use_instance(project)
    from pipelines.materialize import materialize as run_assets

    failures = run_assets(names, lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
    for failure in failures:
        complain(failure)
    if failures:
        raise typer.Exit(1)


@app.command()
def params(
    pattern: Annotated[str, typer.Argument(help="Show the settings whose name holds this.")] = "",
) -> None:
    """Every setting of params.yaml: its value, its default, what it means and when to turn it."""
    values = Project.find().params.model_dump()
    table = Table(show_lines=True)
    for column in ("setting", "value", "meaning"):
        table.add_column(column, overflow="fold")
    for key, field in knobs():
        if pattern in key:
            value: Any = values
            for part in key.split("."):
                value = value[part]
            default = "" if value == field.get_default(call_default_factory=True) else " *"
            table.add_row(key, f"{value}{default}", field.description)
    console.print(table)
    console.print("* is not the default. Change one: plates run --set KEY=VALUE, or edit params.yaml.")


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Open Dagster's UI on this project, with its schedules and sensors."""
    project = Project.find()
    use_instance(project)
    dagster = Path(sys.executable).with_name("dagster")
    if not dagster.exists():
        raise UserError("dagster is not installed beside this Python. Run `make setup`.")
    command = [str(dagster), "dev", "--host", "127.0.0.1", "--port", str(port)]
    raise typer.Exit(subprocess.run(command, cwd=project.root, env=_environment(), check=False).returncode)


def _environment() -> dict[str, str]:
    """This environment, with the folder of `plates`, `dvc` and `dagster` first on the path."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
