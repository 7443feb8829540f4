"""`plates models`, `plates anchors`, `plates weights`, `plates predict`: looking at detectors and using one."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from efficientdet.quiet import import_tensorflow
from lineage.files import atomic
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


@app.command()
def anchors(
    picture: Annotated[Path, typer.Option(help="Where the picture of boxes over anchors goes; PNG or SVG.")] = Path(
        "reports/anchors.png"
    ),
) -> None:
    """Fit anchors to the project's training boxes, and compare them with the model's own. Changes nothing."""
    from assets.anchors import measure
    from assets.stage import require, stages
    from efficientdet.model.anchor_fit import plot

    project = Project.find()
    require(project, stages(project.root)["anchors"])
    found = measure(project)
    fit = {**found.fit.to_json(), "anchor_scale": found.fit.anchor_scale}
    print_rows(_reach(whose, anchors) for whose, anchors in (("fitted", fit), ("the model's", found.used)))
    target = project.path(str(picture))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        plot(found.fit, found.sizes, temporary)
    console.print(
        f"{found.fit.boxes:,} training boxes at {found.fit.image_size[1]} x {found.fit.image_size[0]} px. "
        f"Take the fitted ratios: plates run --set model.aspect_ratios=auto\nboxes over anchors  {target}",
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


def print_rows(found: Iterable[Mapping[str, Any]]) -> None:
    """Prints rows of the same keys as a table, numbers with separators."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    for number, row in enumerate(found):
        if number == 0:
            for column in row:
                table.add_column(column, overflow="fold", no_wrap=column == "name")
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    console.print(table)
