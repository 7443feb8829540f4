"""`plates models`, `plates weights`, `plates predict`: looking at detectors and using one."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from efficientdet.quiet import import_tensorflow
from pipelines.cli.app import app, console
from settings.project import Project

weights = typer.Typer(help="Looking into checkpoints.", no_args_is_help=True)
app.add_typer(weights, name="weights")


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="Photographs.")],
    draw: Annotated[Path | None, typer.Option(help="Folder for pictures with the boxes drawn.")] = None,
    score: Annotated[float, typer.Option(min=0, max=1, help="Least score shown.")] = 0.3,
    model: Annotated[Path | None, typer.Option(help="Exported model; the project's own where not given.")] = None,
) -> None:
    """Find plates with the exported model: JSON on standard output, pictures with --draw."""
    import_tensorflow()
    from efficientdet.inference import infer

    folder = model or Project.find().path("models/export/model")
    for found in infer.Model(folder).predict(images, min_score=score):
        print(json.dumps(found, ensure_ascii=False))
        if draw:
            draw.mkdir(parents=True, exist_ok=True)
            infer.draw(found, draw / Path(found["image"]).name)


@weights.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A .weights.h5, a published archive, or a folder with a checkpoint.")],
    pattern: Annotated[str, typer.Option(help="Show the variables whose name holds this.")] = "",
) -> None:
    """Print every variable of a checkpoint: name, shape, type, mean and largest value."""
    import_tensorflow()
    from efficientdet.checkpoints import inspect as look

    found = [row for row in look(path) if pattern in row["key"]]
    print_rows(found)
    console.print(f"{len(found):,} variables")


@app.command()
def models() -> None:
    """The family: input size, parameters, FLOPs, levels and anchors of every variant."""
    import_tensorflow()
    from efficientdet.model.models_table import rows

    print_rows(rows())


def print_rows(found: Iterable[Mapping[str, Any]]) -> None:
    """Prints rows of the same keys as a table, numbers with separators."""
    table = Table(box=SIMPLE_HEAD)
    for number, row in enumerate(found):
        if number == 0:
            for column in row:
                table.add_column(column, overflow="fold", no_wrap=number == 0 and column == "name")
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    console.print(table)
