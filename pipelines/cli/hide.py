"""`plates hide`: makes the plates in photographs and videos unreadable."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from pipelines.cli.app import app, note
from pipelines.cli.predict import ModelName, Score, Trust, complaining_into, locate, note_others, parsed_score
from plates.errors import UserError


@app.command()
def hide(
    files: Annotated[list[str], typer.Argument(help="Photographs, videos, patterns, or folders of them.")],
    to: Annotated[Path | None, typer.Option(help="Folder to write into.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Overwrite the originals.")] = False,
    style: Annotated[Literal["blur", "pixelate", "fill"], typer.Option(help="How plates are hidden.")] = "blur",
    margin: Annotated[
        float, typer.Option(min=0, max=5, help="Margin hidden around a box, as a share of its width and height.")
    ] = 0.1,
    score: Score = None,
    metadata: Annotated[
        Literal["keep", "no-gps", "none"], typer.Option(help="What is kept of EXIF blocks and of a video's tags.")
    ] = "keep",
    doubts: Annotated[
        Path | None, typer.Option(dir_okay=False, help="HTML page to write, with what needs checking.")
    ] = None,
    model: ModelName = None,
    trust: Trust = False,
) -> None:
    """Hide the plates in photographs and videos; print what was hidden as JSON lines.

    Without --score, the model's `promise` decides if it has one: the threshold that keeps the promised recall.
    """
    from plates.hide.options import Options
    from plates.hide.photograph import hide_photograph
    from plates.hide.plan import plan
    from plates.hide.report import write_page
    from plates.hide.video import hide_video
    from plates.predict.load import load
    from plates.predict.sources import PICTURES, VIDEOS, passing

    if (to is None) != in_place:
        raise UserError("say where to write: --to FOLDER, or --in-place to overwrite the originals")
    targets = plan(files, to)
    note_others(files, PICTURES + VIDEOS)
    detector = load(*locate(model, trust))
    options = Options(style, margin, parsed_score(score), metadata)
    hidden, failed = [], list[str]()
    complain = complaining_into(failed)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        whole = bar.add_task("files", total=len(targets))
        frames = bar.add_task("frames", total=None, visible=False)
        for source, target in targets.items():
            seen = None
            with passing(str(source), complain):
                if source.suffix.lower() in VIDEOS:
                    bar.update(frames, visible=True, completed=0)
                    seen = hide_video(
                        detector,
                        source,
                        target,
                        options,
                        lambda done, total: bar.update(frames, completed=done, total=total or None),
                    )
                else:
                    seen = hide_photograph(detector, source, target, options)
            if seen:
                hidden.append(seen)
                print(json.dumps(seen.to_dict(), ensure_ascii=False), flush=True)
            bar.update(whole, advance=1)
    if doubts:
        write_page(doubts, hidden)
        note(f"{sum(len(one.doubts) for one in hidden):,} places to check: {doubts}")
    if failed:
        raise UserError(f"{len(failed):,} of {len(targets):,} files failed, each named above")
