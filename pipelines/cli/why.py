"""`plates why`: the most likely causes of a low score."""

import json
import sys
import textwrap
from typing import Annotated

import typer

from pipelines.cli.app import app, console, note, say
from plates.lineage import record as records
from plates.settings.project import Project
from plates.why import evidence
from plates.why.finding import DECISIVE, LIKELY, STRONG, Finding
from plates.why.verdict import Verdict, verdict

PROBE_STEPS = 60
CHECKPOINT = "models/checkpoint/model.json"
WIDEST = 120
INDENT = " " * 12
WORDS = ((DECISIVE, "all but certain"), (STRONG, "very likely"), (LIKELY, "likely"), (0.0, "possible"))


@app.command()
def why(
    record: Annotated[
        str | None, typer.Argument(metavar="ID", help="First characters of a record's id; default: the newest.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also try to overfit one batch: two short trainings, a few minutes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Rank the known causes of a low score by the evidence of the run: settings, curves, labels, detections."""
    project = Project.find()
    if record is None:
        found = verdict(evidence.of_now(project))
        if changed := evidence.changed(project):
            said = ", ".join(f"{name} {then} -> {now}" for name, (then, now) in changed.items())
            note(
                f"this is about the last training; params.yaml has changed since: {said}. To train with it: plates run"
            )
    else:
        found = verdict(evidence.of_record(project.root, records.find(project.root, record)))
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        show(found)
    if probe:
        _probe(project)
    if record is None and CHECKPOINT in found.missing:
        note(
            "models/checkpoint is missing: the scores are of an earlier one, the settings of an unfinished training. "
            "plates status shows what stopped it; plates why ID looks at a record"
        )
    elif found.missing:
        note(f"missing, so not examined: {', '.join(found.missing)}. To get them: plates run, or dvc pull")


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


def _probe(project: Project) -> None:
    """Tries to overfit one batch at the run's rate and at a tenth of it, without augmentation."""
    import assets
    from assets.checkpoint import checkpoint, initialiser, prepared
    from plates.efficientdet.config import AugmentConfig
    from plates.efficientdet.training.overfit import overfit
    from stages.asset import require

    require(project, checkpoint, assets.writers(assets.graph()))
    still = AugmentConfig(input_rand_hflip=False, jitter_min=1.0, jitter_max=1.0)
    train = project.params.train
    note(f"probing: up to {PROBE_STEPS} steps on one batch of {train.batch_size}, twice; nothing is kept")
    spec, data = prepared(project, still)
    initialise = initialiser(project.params.model, project.scratch / "weights")
    for rate in (train.learning_rate, train.learning_rate / 10):
        with typer.progressbar(length=PROBE_STEPS, label=f"rate {rate:g}", file=sys.stderr) as bar:
            found = overfit(
                spec,
                train.model_copy(update={"learning_rate": rate}),
                data,
                initialise=initialise,
                steps=PROBE_STEPS,
                on_step=lambda done, steps: bar.update(1),
            )
        what = "is overfitted" if found.learnt else "is not overfitted"
        said = f"one batch {what} at train.learning_rate {rate:g}: loss {found.losses[0]:.3g} to {found.losses[-1]:.3g}"
        say(f"{said} in {len(found.losses)} steps")
    say(
        "Overfitted at one rate only: the rate is the cause. Overfitted at neither: labels, anchors or weights are the "
        "cause."
    )
