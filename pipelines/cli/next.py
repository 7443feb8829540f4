"""`plates next`: what to label next."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import app, note
from pipelines.cli.predict import ModelName, Trust, complaining_into, locate
from plates.errors import UserError
from plates.settings.project import Project

KNOWN = 500
"""Training photographs that candidates are compared with."""


@app.command()
def next(
    folder: Annotated[Path, typer.Argument(help="Photographs without labels.")],
    to: Annotated[Path, typer.Option(help="New folder for copies and annotations.json.")],
    count: Annotated[int, typer.Option(min=1, help="Photographs to choose.")] = 100,
    model: ModelName = None,
    trust: Trust = False,
) -> None:
    """Choose the photographs worth labelling next: doubtful, unlike the training data, unlike each other.

    They are copied, with the model's detections as COCO annotations. Correct these, then train on them with data.root
    and data.annotations.
    """
    from plates.predict.load import load
    from plates.predict.next import ANNOTATIONS, candidates, choose, learnt, write

    if to.exists():
        raise UserError(f"{to} already exists. Name a new folder: --to FOLDER")
    detector = load(*locate(model, trust))
    failed: list[str] = []
    found = candidates(detector, folder, complaining_into(failed))
    if not found:
        raise UserError(f"no photograph in {folder} can be opened")
    known = learnt(detector, train_photographs(KNOWN))
    chosen = choose([one.doubt for one in found], [one.look for one in found], known, count)
    write([found[index] for index in chosen], detector.label_map, to)
    against = (
        f"unlike {len(known):,} training photographs" if len(known) else "with no training photographs to compare with"
    )
    note(f"{len(chosen):,} of {len(found):,} photographs, {against}: {to}, with {to / ANNOTATIONS} to correct")
    if failed:
        raise UserError(f"{len(failed):,} photographs cannot be opened, each named above; the others are there")


def train_photographs(most: int) -> Iterator[bytes]:
    """The first JPEGs of the project's train split; none outside a project or before its first run."""
    from plates.efficientdet.data.tfrecords import read, read_manifest

    try:
        shards = Project.find().path("data/tfrecords")
        files = [shards / shard.file for shard in read_manifest(shards).split("train").shards]
    except (UserError, OSError):
        return
    yield from islice((example.encoded for file in files for example in read(file)), most)
