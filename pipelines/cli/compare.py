"""`plates compare`: two models on the same photographs."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import pandas as pd
import typer
from rich.console import Console
from rich.progress import Progress

from pipelines.cli.app import app, note, note_left_out, print_columns, say
from pipelines.cli.predict import Trust, locate, vouching
from plates.errors import UserError
from plates.photographs.content import Photographs
from plates.remote import Remote
from plates.scoring.truth import truth as truth_of
from plates.settings.project import Project

if TYPE_CHECKING:
    from plates.predict.compare import Comparison

Named = Annotated[str, typer.Argument(help="A record's id, an exported folder, a checkpoint, or a described .onnx.")]


@app.command()
def compare(
    first: Named,
    second: Named,
    on: Annotated[Path | None, typer.Option(help="Labelled photographs; default: the project's test split.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="COCO JSON of the photographs in --on.")] = None,
    page: Annotated[
        Path | None, typer.Option(dir_okay=False, help="HTML page to write: what only one of them finds.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Report how much better the second model is than the first on the same photographs, how surely, and where."""
    from plates.predict import compare as comparing
    from plates.predict.evaluate import cautions
    from plates.predict.load import load

    if first == second:
        raise UserError(f"{first} is named twice: name two models. plates lineage lists the records")
    if annotations and not on:
        raise UserError(
            "--annotations needs a folder of photographs: plates compare A B --on FOLDER --annotations FILE"
        )
    models = [load(*locate(named, trust)) for named in (first, second)]
    expected, files = _labelled(on, annotations, models[0].label_map)
    photographs = None if on else Project.find().path("data/raw_images.parquet")
    expected, files = _unseen(expected, files, [model.path for model in models], photographs)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("photographs")
        found = comparing.compare(
            models[0],
            models[1],
            expected,
            files,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    note_left_out(found.left_out, len(files))
    both = zip((first, second), models, found.detections, strict=True)
    said = (line for named, model, table in both for line in cautions(named, model, table, found.truth))
    for line in dict.fromkeys(said):
        note(line)
    names = without_what_they_share(first, second)
    _print(found, names)
    if page:
        comparing.write(page, found, names, files)
        note(f"photographs: {page}")


def without_what_they_share(first: str, second: str) -> tuple[str, str]:
    """The names of two models in tables: their paths without the folders they share."""
    one, two = Path(first).parts, Path(second).parts
    shared = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)) - 1)
    return str(Path(*one[shared:])), str(Path(*two[shared:]))


def _labelled(on: Path | None, annotations: Path | None, known: dict[int, str]) -> tuple[pd.DataFrame, dict[int, Path]]:
    """Labels, and the file of each image id: from a folder, or from the project's evaluation split."""
    if on:
        from plates.predict.evaluate import labels

        expected, left_out = labels(on, annotations, known)
        note_left_out(left_out, expected["path"].nunique() + len(left_out))
        expected = expected.assign(image_id=expected.groupby("path", sort=True).ngroup() + 1)
        paths = expected.drop_duplicates("image_id")
        return expected, {row.image_id: on / row.path for row in paths.itertuples()}
    project = Project.find()
    if not project.path("data/splits.parquet").exists():
        raise UserError(f"{project.root} has no test split yet: plates run, or name photographs with --on FOLDER")
    expected = truth_of(project, project.params.evaluation.split, with_regions=True)
    if isinstance(project.photographs, Remote):
        raise UserError(
            f"the photographs are in a store, {project.photographs}: copy some, and name them by --on FOLDER"
        )
    photographs = Photographs(project.photographs, project.converted)
    paths = expected.drop_duplicates("image_id")
    files = {row.image_id: photographs.file(row.path, row.sha256) for row in paths.itertuples()}
    return expected, cast(dict[int, Path], files)


def _unseen(
    expected: pd.DataFrame, files: dict[int, Path], models: list[Path], photographs: Path | None
) -> tuple[pd.DataFrame, dict[int, Path]]:
    """Drops photographs that one of the models was trained or selected on, according to its newest record.

    `photographs`: as of `learnt`.
    """
    from plates.lineage.training_set import learnt, trained_on

    seen: set[str] = set()
    for model in models:
        for record in vouching(model)[-1:]:
            known = trained_on(Project.find().root, record)
            seen |= known or set()
            if known is None:
                note(
                    f"which photographs {model} was trained on is not known: DVC's cache lacks splits or hashes of "
                    f"record {record.short}. All count. If a remote has them: dvc pull --all-commits"
                )
    left = expected[~learnt(expected, seen, photographs)].reset_index(drop=True)
    gone = expected["image_id"].nunique() - left["image_id"].nunique()
    if left.empty:
        raise UserError(
            f"each of the {gone:,} photographs was used to train one of the models: none is left to compare them "
            "fairly. Name others: plates compare A B --on FOLDER"
        )
    if gone:
        note(f"{gone:,} photographs are left out: one of the models was trained or selected on them")
    kept = set(left["image_id"])
    return left, {image: file for image, file in files.items() if image in kept}


def _print(found: "Comparison", names: tuple[str, str]) -> None:
    whole = found.figure("mAP")
    say(
        f"mAP {whole['second']:.3f} for {names[1]} against {whole['first']:.3f} for {names[0]}: "
        f"{whole['difference']:+.3f} ({_ends(whole)}) on the same {_many(whole['images'], 'photograph')}. "
        f"{_verdict(whole)}"
    )
    rows = [found.figure(name) for name in found.table["figure"].unique()]
    rows += [row for _, row in found.changed("mAP").iterrows()]
    print_columns(
        {
            "": [
                row["figure"] if row["dimension"] == "all" else f"mAP, {row['dimension']} {row['slice']}"
                for row in rows
            ],
            "photographs": [f"{row['images']:,}" for row in rows],
            names[0]: [f"{row['first']:.3f}" for row in rows],
            names[1]: [f"{row['second']:.3f}" for row in rows],
            "difference": [f"{row['difference']:+.3f}" for row in rows],
            "95%": [_ends(row) for row in rows],
        },
        ("photographs",),
    )
    first, second = (len(found.only(model)) for model in ("first", "second"))
    say(f"Of {_many(len(found.boxes), 'plate')}, only {names[0]} finds {first:,}, only {names[1]} finds {second:,}")
    say(
        "ms per photograph: "
        + ", ".join(f"{name} {took:.0f}" for name, took in zip(names, found.milliseconds, strict=True))
    )


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _ends(row: pd.Series) -> str:
    return "too few plates" if math.isnan(row["low"]) else f"{row['low']:+.3f} to {row['high']:+.3f}"


def _verdict(row: pd.Series) -> str:
    if math.isnan(row["low"]):
        return "These are too few plates to say."
    if row["low"] > 0 or row["high"] < 0:
        return "That is beyond chance."
    return "That may be chance."
