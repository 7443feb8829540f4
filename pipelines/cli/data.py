"""`plates sample`, `plates inspect`, `plates coco`: draw, look at and export data."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from pipelines.cli.app import app, console, require_ordinary
from plates.errors import UserError
from plates.files import atomic, read_table, write_json
from plates.remote import Place
from plates.settings.params import SampleParams
from plates.settings.project import Project

SAMPLE = SampleParams()
"""The defaults of `data.sample`, also used by `plates sample`."""


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    count: Annotated[int, typer.Option(min=1, help="Number of scenes.")] = SAMPLE.count,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = SAMPLE.seed,
    bad: Annotated[float, typer.Option(min=0, max=0.2, help="Share of bad annotations of each kind.")] = SAMPLE.bad,
    imbalance: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the most frequent province.")
    ] = SAMPLE.imbalance,
) -> None:
    """Draw CCPD-like photographs with correct CCPD names."""
    from plates.ccpd.scenes import generate

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("scenes", total=count)
        generate(
            folder,
            count=count,
            seed=seed,
            bad=bad,
            imbalance=imbalance,
            progress=lambda done: progress.advance(task, done),
        )
    console.print(f"{count} scenes in {folder}. Train on them: plates run --set data.root={folder}")


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="An image, a shard, a table of data/, or a folder.")],
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Draw its plots, and its photographs with their boxes, here."
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Most photographs to draw.")] = 24,
) -> None:
    """Print what is in an image, shard, table or folder; with --picture, draw it too."""
    from plates.card.look import look

    require_ordinary(path)
    seen = look(path, root=_photographs(), count=count)
    for line in seen.lines:
        console.print(line, highlight=False, markup=False)
    if picture is not None:
        with atomic(picture) as temporary:
            seen.draw().save(temporary, "PNG")
        console.print(f"picture: {picture}", highlight=False)


@app.command()
def coco(target: Annotated[Path, typer.Argument(dir_okay=False, help="The JSON file to write.")]) -> None:
    """Write the accepted boxes as COCO JSON, with their ids and splits."""
    from plates.coco.convert import to_coco
    from plates.efficientdet.data.tfrecords import read_manifest

    project = Project.find()
    tables = [project.path(f"data/{name}.parquet") for name in ("boxes", "splits")]
    if missing := [str(table) for table in tables if not table.exists()]:
        raise UserError(f"missing: {', '.join(missing)}. Make it: plates run")
    records = project.path("data/tfrecords")
    names = read_manifest(records).label_map if records.exists() else None
    boxes, splits = map(read_table, tables)
    content = to_coco(boxes, splits, names)
    write_json(target, content)
    console.print(f"{len(content['annotations']):,} boxes on {len(content['images']):,} images in {target}")


def _photographs() -> Place | None:
    """The folder of the project's photographs; None outside a project: only pictures of a table need it."""
    try:
        return Project.find().photographs
    except UserError:
        return None
