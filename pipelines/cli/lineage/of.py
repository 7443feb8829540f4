"""`plates lineage of`: what made a file, and what was made from it; a photograph's history."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import complain, note, print_columns, require_ordinary, say
from pipelines.cli.lineage.overview import commands
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage import champion, origin
from plates.lineage import history as histories
from plates.lineage import record as records
from plates.lineage.differences import figure
from plates.lineage.history import History
from plates.lineage.origin import Place, Steps
from plates.lineage.record import Record
from plates.settings.project import Project
from stages import dvc_lock

SPARE = ("raw images", "time (UTC)", "label")


@commands.command()
def of(
    path: Annotated[
        str, typer.Argument(help="A file or folder anywhere on the disk, or a photograph's path under data.root.")
    ],
) -> None:
    """Show what made a file, a model or a score, and what was made from it; for a photograph, its whole history."""
    project = Project.find()
    found, file = records.read_all(project.root), Path(path)
    require_ordinary(file)
    for unfit in records.unfit(project.root):
        complain(f"ignored: {unfit.why}")
    if not found:
        raise UserError("there is no record yet. Make one: plates run")
    if file.exists() and (places := origin.places(project.root, found, file)):
        return _tell(project.root, found, file, places)
    if file.is_dir():
        inside = {one: origin.places(project.root, found, one) for one in sorted(file.iterdir())}
        known = {one: places for one, places in inside.items() if places}
        for one, places in known.items():
            _tell(project.root, found, one, places)
        if known:
            return None
    seen = None
    if not file.is_dir():
        name, content = _name(project, file), origin.sha256(file) if file.exists() else None
        seen = histories.history(project.root, found, name, content)
    if seen and seen.known:
        return _tell_history(seen)
    raise UserError(_unknown(project.root, found, file, seen))


def _name(project: Project, file: Path) -> str | None:
    """A photograph's name in the tables; None if it is outside `data.root`."""
    if not file.exists():
        return file.as_posix()
    resolved, photographs = file.resolve(), project.photographs
    if isinstance(photographs, Path) and resolved.is_relative_to(photographs):
        return resolved.relative_to(photographs).as_posix()
    return None


def _tell(root: Path, found: Sequence[Record], file: Path, places: Sequence[Place]) -> None:
    place = places[-1]
    record, steps = place.record, Steps(place.record)
    part = f"{place.inside} of {place.output}" if place.inside else place.output
    say(f"{file} is {part} of record {record.short} ({figure(record)}, {_minute(record)} UTC)")
    if len(places) > 1:
        earlier = dict.fromkeys(other.record.short for other in places[:-1] if other.record.id != record.id)
        if earlier:
            say(f"the same in {len(earlier)} earlier records: {', '.join(list(earlier)[-5:])}")
    say("\nmade by, nearest first")
    for stage in reversed(steps.upstream(place.output)):
        inputs = ", ".join(f"{path} {md5[:8]}" for path, md5 in steps.inputs(stage).items()) or "the photographs"
        say(f"  {stage}  from {inputs}")
    commit, edits = record.code["commit"], record.code["changed"]
    say(f"  code: {f'commit {commit[:8]}' if commit else 'outside Git'}{' and edits' if edits else ''}")
    if record.parents:
        say("  weights: " + ", ".join(f"{key} {value}" for key, value in record.parents.items()))
    after = steps.made_from(place.output)
    say(f"\nmade from it: {', '.join(after) if after else 'nothing'}")
    trained_on = [other.short for other in found if other.parents.get("record") == record.id]
    if trained_on and place.output == champion.CHECKPOINT:
        say(f"training started from it in {', '.join(trained_on)}")
    verdicts = [verdict for verdict in champion.decisions(root) if verdict.challenger == record.id]
    for verdict in verdicts:
        done = "put in service" if verdict.promoted else "not put in service"
        say(f"{done} {verdict.time[:16].replace('T', ' ')} UTC: {verdict.reason}")
    say(f"Full record: plates lineage show {record.short}\n")


def _tell_history(history: History) -> None:
    print_columns(
        {
            "record": [seen.record.short for seen in history.seen],
            "time (UTC)": [_minute(seen.record) for seen in history.seen],
            "raw images": [seen.delivery for seen in history.seen],
            "path": [", ".join(dict.fromkeys(row["path"] for row in seen.rows)) for seen in history.seen],
            "label": [histories.label(seen.rows) if seen.rows else "" for seen in history.seen],
            "split": [(seen.rows[0]["split"] or "none") if seen.rows else "" for seen in history.seen],
            "": [histories.outcome(seen.rows) if seen.rows else "not present" for seen in history.seen],
        },
        SPARE,
    )
    if history.unkept:
        names = ", ".join(record.short for record in history.unkept[:5])
        note(f"outcomes of {len(history.unkept)} records are not here ({names}). If a remote has them: dvc fetch -A")


def _unknown(root: Path, found: Sequence[Record], file: Path, seen: History | None) -> str:
    """Why nothing is known about a path, and what to do."""
    kept = f". Outcomes of {len(seen.unkept)} records are not here: dvc fetch -A" if seen and seen.unkept else ""
    if not file.exists():
        return f"{file} does not exist, and no record has a photograph of that name{kept}"
    known = Steps(found[-1])
    resolved = file.resolve()
    output = resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else ""
    written = [stage for stage, entry in dvc_lock.read(root).items() if entry.outs.get(output) == content_hash(file)]
    if written:
        return f"{file} is what {written[0]} wrote last. Records name data and models, not this; all: plates lineage"
    if maker := known.maker(output):
        return f"{file} (hash {content_hash(file)[:8]}) is in no record: {maker} made it again, or it was edited"
    return f"{file} (hash {content_hash(file)[:8]}) is in no record: it was made elsewhere, or edited since{kept}"


def _minute(record: Record) -> str:
    return record.time[:16].replace("T", " ")
