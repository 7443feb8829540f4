"""`plates models`, `plates weights`, `plates predict`: looking at detectors and using one."""

import json
from pathlib import Path
from typing import Annotated

import typer
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
    from efficientdet import infer

    folder = model or Project.find().path("models/export/model")
    for found in infer.Model(folder).predict(images, min_score=score):
        print(json.dumps(found, ensure_ascii=False))
        if draw:
            draw.mkdir(parents=True, exist_ok=True)
            infer.draw(found, draw / Path(found["image"]).name)


@app.command()
def models() -> None:
    """The family: input size, parameters, FLOPs, levels and anchors of every variant."""
    from efficientdet.models_table import rows

    table = Table()
    for number, row in enumerate(rows()):
        if number == 0:
            for column in row:
                table.add_column(column)
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
