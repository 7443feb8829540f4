"""`plates why`: the most likely causes of a low score."""

import json
import textwrap
from typing import Annotated

import typer

from pipelines.cli.app import app, console, note, say
from plates.lineage import record as records
from plates.settings.project import Project
from plates.why import evidence
from plates.why.finding import DECISIVE, LIKELY, STRONG, Finding
from plates.why.verdict import Verdict, verdict

WIDEST = 120
INDENT = " " * 12
WORDS = ((DECISIVE, "all but certain"), (STRONG, "very likely"), (LIKELY, "likely"), (0.0, "possible"))


@app.command()
def why(
    record: Annotated[
        str | None, typer.Argument(metavar="ID", help="The beginning of a record's id; not given: the last evaluation.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Rank the known causes of a low score by what the run left: settings, curves, labels, detections."""
    project = Project.find()
    if record is None:
        found = verdict(evidence.of_now(project))
    else:
        found = verdict(evidence.of_record(project.root, records.find(project.root, record)))
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        show(found)
    if found.missing:
        note(f"not here, so not asked: {', '.join(found.missing)}. `plates run` or `dvc pull` brings them")


def show(found: Verdict) -> None:
    """Prints a verdict."""
    say(found.headline)
    say(found.answer)
    for number, finding in enumerate(found.findings, 1):
        say(f"\n{number}. {finding.cause} ({_word(finding)})")
        for label, text in _lines(finding):
            say(
                textwrap.fill(
                    text, min(console.width, WIDEST), initial_indent=f"   {label:8} ", subsequent_indent=INDENT
                )
            )


def _lines(finding: Finding) -> list[tuple[str, str]]:
    lines = [("seen", finding.sentence), *(("for", text) for text in finding.speaks_for)]
    lines += [("against", text) for text in finding.against]
    return [*lines, ("change", finding.turn), ("look at", finding.sure)]


def _word(finding: Finding) -> str:
    return next(word for least, word in WORDS if finding.weight >= least)
