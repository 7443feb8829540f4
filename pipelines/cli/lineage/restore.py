"""`plates lineage restore` and `verify`: bring a record back, and reproduce it."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from pipelines.cli.app import note, say
from pipelines.cli.lineage.overview import RecordId, commands, figures
from pipelines.lineage.verify import verify as prove
from plates.lineage import record as records
from plates.lineage.restore import restore as bring_back
from plates.lineage.restore import restore_to as bring_back_to
from plates.lineage.working_tree import tree_hash
from plates.settings.project import Project
from stages import lock
from stages.dvc_fetch import fetcher


@commands.command()
def restore(
    record: RecordId,
    to: Annotated[Path | None, typer.Option(help="New folder for the record, with its code.")] = None,
) -> None:
    """Bring back a record's parameters, data and model from DVC's cache and remotes; DVC itself is not needed."""
    root = Project.find().root
    found = records.find(root, record)
    fetch = fetcher(root)
    if to is None:
        with lock.work(root, "plates lineage restore", note):
            done = bring_back(root, found, fetch)
    else:
        done = bring_back_to(root, found, to, fetch)
    say(f"{to or 'Here'}: parameters, data and models are those of {found.short} ({figures(found)}); hashes checked.")
    say(f"Outputs: {len(done.put)} restored, {len(done.same)} unchanged.")
    if done.not_kept:
        say(f"Not kept, `plates run` makes them again: {', '.join(done.not_kept)}")
    if done.kept is not None:
        say(f"What was here before is in {done.kept.relative_to(root)}")
        say(_code_advice(root, found))


@commands.command()
def verify(
    record: RecordId,
    deep: Annotated[bool, typer.Option("--deep", help="Train and export again too.")] = False,
    to: Annotated[Path | None, typer.Option(help="New folder to work in and keep; default: a temporary one.")] = None,
) -> None:
    """Evaluate a record again, from its code and kept outputs, and compare the result byte by byte."""
    root = Project.find().root
    found = records.find(root, record)
    with ExitStack() as stack:
        scratch = root / ".plates"  # on the disk of the cache, so that files are links
        scratch.mkdir(exist_ok=True)
        folder = to or Path(stack.enter_context(TemporaryDirectory(prefix="verify-", dir=scratch)))
        done = prove(root, found, folder, fetcher(root), note, deep)
    if not done.differs:
        say(f"record {found.short} is reproduced to the last digit: {figures(found)}")
        say(f"identical bytes: {', '.join(done.same)}")
        return
    say(f"record {found.short} is not reproduced: the first output that differs is {done.differs[0]}")
    if done.first:
        say(f"  {done.first}")
    for name, recorded, now in done.figures:
        say(f"  {name}: {recorded} in the record, {now} now")
    if not done.figures:
        say(f"The figures are the same as in the record: {figures(found)}")
    say(f"identical bytes: {', '.join(done.same) or 'none'}; different: {', '.join(done.differs)}")
    for line in done.circumstances:
        say(f"  changed since: {line}")
    raise typer.Exit(1)


def _code_advice(root: Path, record: records.Record) -> str:
    """Whether the code here is the record's, and how to get that."""
    if record.code.get("tree") == tree_hash(root):
        return "The code here is the record's."
    commit, edited = record.code["commit"], " and edits, which the record keeps" if record.code["changed"] else ""
    return (
        f"The code here is not the record's ({'commit ' + commit[:8] if commit else 'outside Git'}{edited}). "
        f"To get it, with all outputs, in a folder: plates lineage restore {record.short} --to FOLDER"
    )
