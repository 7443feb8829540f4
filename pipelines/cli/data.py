"""`plates sample`, `plates inspect`, `plates coco`: looking at data and making some."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from lineage.errors import UserError
from pipelines.cli.app import app, console


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    count: Annotated[int, typer.Option(min=1, help="Number of scenes.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    bad: Annotated[float, typer.Option(min=0, max=0.2, help="Share of bad annotations of each kind.")] = 0.0,
    imbalance: Annotated[float | None, typer.Option(min=0, max=1, help="Share of the most frequent province.")] = None,
) -> None:
    """Draw CCPD-like photographs with correct CCPD names."""
    from ccpd.scenes import generate

    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty. Name a new folder; nothing was written.")
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("scenes", total=count)
        generate(
            folder,
            count=count,
            seed=seed,
            bad=bad,
            imbalance=imbalance,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(f"{count} scenes in {folder}. Train on them: plates run --set data.root={folder}")
