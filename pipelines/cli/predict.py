"""`plates predict` and `plates evaluate`: use and score a model."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO, cast

import typer
from rich.console import Console
from rich.progress import Progress

from pipelines.cli.app import app, complain, console, note, note_left_out
from plates.errors import UserError
from plates.files import atomic, read_json
from plates.lineage.record import Record
from plates.lineage.vouch import records_of
from plates.metrics import measured
from plates.settings.project import Project

if TYPE_CHECKING:
    from PIL.Image import Image

    from plates.efficientdet.inference.runtimes import Kind

SUFFIXES = {"jsonl": "jsonl", "csv": "csv", "coco": "json"}
Form = Literal["jsonl", "csv", "coco", "yolo", "yolo-obb"]
ModelName = Annotated[
    str | None,
    typer.Option(
        help="Exported folder, checkpoint, .onnx, .tflite, .xml or a record's id; default: the newest export."
    ),
]
Score = Annotated[str | None, typer.Option(help="Minimum score, or a threshold's name; default: the model's own.")]
Trust = Annotated[bool, typer.Option("--trust", help="Load a SavedModel that no record of this project vouches for.")]
Urls = Annotated[bool, typer.Option(help="Fetch http, https and rtsp addresses.")]


@app.command()
def predict(
    images: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders, patterns, videos, cameras (/dev/video0); - reads names from stdin."),
    ],
    model: ModelName = None,
    score: Score = None,
    format: Annotated[Form, typer.Option(help="Output format.")] = "jsonl",
    to: Annotated[
        Path | None, typer.Option(help="File to write, a folder for yolo, yolo-obb; default: standard output.")
    ] = None,
    draw: Annotated[Path | None, typer.Option(help="Folder for pictures with the boxes drawn.")] = None,
    crops: Annotated[Path | None, typer.Option(help="Folder for the detections, cut out.")] = None,
    urls: Urls = False,
    trust: Trust = False,
) -> None:
    """Find plates in pictures and videos.

    A file that fails prints one line of error and the others continue; the exit code is then 1.
    """
    from plates.predict import formats
    from plates.predict.load import load
    from plates.predict.sources import PICTURES, expand, passing

    in_folder = format in ("yolo", "yolo-obb")
    if in_folder and not to:
        raise UserError(f"{format} is a folder of files: plates predict --format {format} --to FOLDER")
    if to and to.is_dir() and not in_folder:
        raise UserError(f"{to} is a folder, and {format} is a file: --to {to / f'found.{SUFFIXES[format]}'}")
    located = locate(model, trust)
    note_others(images, PICTURES)
    failed: list[str] = []
    complaining = complaining_into(failed)
    given = expand(_names(images), urls=urls, on_error=complaining)
    first = next(given, None)  # missing files are reported before the model is loaded
    if first is None:
        raise UserError(f"no picture to predict on: {len(failed):,} cannot be opened, each named above")
    detector = load(*located)
    answers = detector.stream(chain([first], given), score=parsed_score(score), on_error=complaining)
    with _writing(None if format == "coco" or in_folder else to) as stream:
        if format == "coco":
            answers = formats.coco(answers, to, detector.label_map, stream)
        elif in_folder:
            answers = formats.yolo(answers, cast(Path, to), detector.label_map, obb=format == "yolo-obb")
        else:
            answers = (formats.table if format == "csv" else formats.jsonl)(answers, stream)
        drawn, cut = formats.Names(draw or Path()), formats.Names(crops or Path())
        for found in answers:
            if found.picture.turned:
                note(f"{found.source}: turned upright by its EXIF tag; boxes are in pixels of the turned picture")
            pictures = [(found.draw(), drawn.path(found.source))] if draw else []
            pictures += [(part, cut.path(found.source)) for part in (found.crop() if crops else [])]
            with passing(found.source, complaining):
                for picture, target in pictures:
                    save(picture, target)
    if failed:
        raise UserError(f"{len(failed):,} failed, each named above")


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="As predict's --model.")],
    folder: Annotated[Path, typer.Argument(help="Photographs with CCPD names, or those that --annotations lists.")],
    annotations: Annotated[Path | None, typer.Option(help="COCO JSON.")] = None,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="HTML page to write: curves, errors, slices, the worst.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Score any model on any labelled folder: every evaluation figure as JSON, and the report as a page."""
    from plates.predict.evaluate import cautions
    from plates.predict.evaluate import evaluate as score_model
    from plates.predict.load import load

    detector = load(*locate(model, trust))
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pictures")
        scores = score_model(
            detector, folder, annotations, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    note_left_out(scores.left_out, scores.figures["images"] + len(scores.left_out))
    for caution in cautions(model, detector, scores.detections, scores.truth):
        note(caution)
    if report:
        scores.report(report)
        note(f"report {report}")
    console.print_json(data=scores.figures)


def locate(named: str | None, trust: bool) -> "tuple[Path, Kind]":
    """The path of a model and the format to load it in, if loading it is allowed."""
    from plates.predict import load as loading

    path, kind = loading.locate(named or Project.find().path("models/export/model"))
    known = vouching(path)
    if kind == "saved_model" and not known and not trust:
        raise UserError(
            f"no record of this project vouches for {path}, and a SavedModel can read and write files while it runs. "
            "If it is this project's own: plates materialize model_card. If you trust its source: add --trust"
        )
    note(f"model {path}: {figures(known)}")
    return path, kind


def _names(given: list[str]) -> Iterable[str]:
    lines = (line.rstrip("\n") for line in sys.stdin)
    return (line for line in lines if line) if given == ["-"] else given


def note_others(given: list[str], kinds: tuple[str, ...]) -> None:
    """Says how much of the folders is left alone."""
    from plates.predict.sources import others

    for folder, count in others(given, kinds).items():
        note(f"{folder}: {count:,} other {'file or link' if count == 1 else 'files or links'} skipped")


def complaining_into(failed: list[str]) -> Callable[[str, UserError], None]:
    def complain_of(source: str, error: UserError) -> None:
        failed.append(source)
        complain(str(error))

    return complain_of


@contextmanager
def _writing(file: Path | None) -> Iterator[TextIO]:
    """A file to write, put in place when complete; standard output if none is given."""
    if file is None:
        yield sys.stdout
        return
    with atomic(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def save(image: "Image", target: Path) -> None:
    """Writes a picture in the format of its suffix."""
    with atomic(target) as temporary:
        image.save(temporary)


def parsed_score(given: str | None) -> float | str | None:
    try:
        return None if given is None else float(given)
    except ValueError:
        return given


def vouching(model: Path) -> list[Record]:
    """The current project's records of the model with this content, oldest first."""
    try:
        return records_of(Project.find().root, model)
    except UserError as error:
        note(f"no records: {error}")
        return []


def figures(known: Sequence[Record]) -> str:
    """A model's figures in its newest record, and whether it is in service."""
    if not known:
        return "not in lineage/records, so its mAP is not known"
    newest = known[-1]
    scores = ", ".join(f"{name} {value:.3f}" for name, value in measured(newest.metrics).items())
    champion = Project.find().path("models/champion.json")
    serving = read_json(champion).get("record") if champion.exists() else None
    role = "the champion" if serving in {record.id for record in known} else "not the champion"
    return f"{scores} (record {newest.id[:8]}), {role}"
