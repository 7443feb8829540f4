"""`plates models`, `plates anchors`, `plates weights`: look at detectors."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pipelines.cli.app import Commands, app, console
from plates.errors import UserError
from plates.files import atomic
from plates.quiet import import_tensorflow
from plates.settings.project import Project

weights = typer.Typer(cls=Commands, help="Look into checkpoints.", no_args_is_help=True)
app.add_typer(weights, name="weights")


@weights.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A .weights.h5, a published archive, or a folder with a checkpoint.")],
    pattern: Annotated[str, typer.Option(help="Show the variables whose name contains this.")] = "",
) -> None:
    """Print every variable of a checkpoint: name, shape, type, mean and largest value."""
    if not path.exists():
        raise UserError(
            f"{path} does not exist. Name a .weights.h5, a published archive or a folder with a checkpoint; "
            "`plates run` trains one into models/checkpoint"
        )
    _start_tensorflow()
    from plates.efficientdet.checkpoints import inspect as look

    found = [row for row in look(path) if pattern in row["key"]]
    print_rows(found)
    console.print(f"{len(found):,} variables")


@app.command()
def models() -> None:
    """Print input size, parameters, FLOPs, levels and anchors of every model variant."""
    _start_tensorflow()
    from plates.efficientdet.model.models_table import rows

    print_rows(rows())


@app.command()
def anchors(
    picture: Annotated[
        Path, typer.Option(dir_okay=False, help="File for the picture of boxes over anchors, PNG or SVG.")
    ] = Path("reports/anchors.png"),
) -> None:
    """Fit anchors to the project's training boxes, and compare them with the model's own. Changes nothing."""
    import assets
    from assets.anchors import anchors as stage
    from assets.anchors import measure
    from plates.efficientdet.model.anchor_fit import plot
    from stages.asset import require

    project = Project.find()
    require(project, stage, assets.writers(assets.graph()))
    found = measure(project)
    fit = {**found.fit.to_json(), "anchor_scale": found.fit.anchor_scale}
    print_rows(_reach(whose, anchors) for whose, anchors in (("fitted", fit), ("the model's", found.used)))
    target = project.path(str(picture))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        plot(found.fit, found.sizes, temporary)
    gains = any(fit[figure] > found.used[figure] for figure in ("best_possible_recall", "mean_best_iou"))
    turn = (
        "Use the fitted ratios: plates run --set model.aspect_ratios=auto" if gains else "The fitted ones gain nothing."
    )
    console.print(
        f"{found.fit.boxes:,} training boxes at {found.fit.spec.image_size[1]} x {found.fit.spec.image_size[0]} px. "
        f"{turn}\nboxes over anchors  {target}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command()
def lr_range(
    steps: Annotated[int, typer.Option(min=10, help="Training steps, each at a higher rate.")] = 100,
    picture: Annotated[
        Path, typer.Option(dir_okay=False, help="File for the picture of loss by rate, PNG or SVG.")
    ] = Path("reports/lr_range.png"),
) -> None:
    """Train a few steps at rising learning rates, draw the loss and suggest a rate. Changes nothing."""
    import assets
    from assets.checkpoint import checkpoint as stage
    from assets.checkpoint import initialiser, prepared
    from stages.asset import require

    project = Project.find()
    require(project, stage, assets.writers(assets.graph()))
    _start_tensorflow()
    from plates.efficientdet.training import lr_range as test

    params = project.params
    spec, data = prepared(project)
    with typer.progressbar(length=steps, label="steps", file=sys.stderr) as bar:
        found = test.lr_range(
            spec,
            params.train,
            data,
            initialise=initialiser(params.model, project.scratch / "weights"),
            steps=steps,
            on_step=lambda done, total: bar.update(1),
        )
    target = project.path(str(picture))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        test.plot(found, params.train.learning_rate, temporary)
    console.print(
        f"The loss was lowest at a rate of {found.suggestion * test.MARGIN:.2g}; a tenth of it is safe: "
        f"plates run --set train.learning_rate={found.suggestion:.2g} (now {params.train.learning_rate:g})\n"
        f"loss by rate  {target}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _reach(whose: str, anchors: Mapping[str, Any]) -> dict[str, Any]:
    ratios = [ratio[0] / ratio[1] if isinstance(ratio, list | tuple) else ratio for ratio in anchors["aspect_ratios"]]
    scales = anchors["anchor_scale"]
    scales = sorted(set(scales)) if isinstance(scales, list | tuple) else [scales]
    return {
        "anchors": whose,
        "ratios": ", ".join(f"{ratio:.3g}" for ratio in ratios),
        "scales": str(anchors["num_scales"]),
        "anchor_scale": ", ".join(f"{scale:g}" for scale in scales),
        "recall": f"{anchors['best_possible_recall']:.3f}",
        "mean best IoU": f"{anchors['mean_best_iou']:.3f}",
        "positives per box": f"{anchors['positives_per_box']:.1f}",
    }


def _start_tensorflow() -> None:
    """Imports TensorFlow without showing its messages on drivers when it first looks for a GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_tensorflow()


def print_rows(found: Iterable[Mapping[str, Any]]) -> None:
    """Prints rows with the same keys as a table, numbers with thousands separators."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    for number, row in enumerate(found):
        if number == 0:
            for column in row:
                table.add_column(column, overflow="fold", no_wrap=column == "name")
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    console.print(table)
