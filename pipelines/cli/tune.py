"""`plates tune`: a search for better settings."""

import shlex
import signal
from typing import Annotated

import typer

from pipelines.cli.app import app, note, print_columns, say
from pipelines.repro import ends
from pipelines.tune import space as spaces
from plates.errors import UserError
from plates.settings.edit import as_yaml
from plates.settings.project import Project
from stages.code import require_own_code

SHORTER = 4
"""Share of the run's steps that a trial gets, if --steps is not given."""


@app.command()
def tune(
    trials: Annotated[int, typer.Option(min=1, help="Trials in total; run again with more to continue.")] = 20,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps per trial; default: a quarter of train.steps.")
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            help="What to search: KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C. Repeatable; default: "
            f"{', '.join(spaces.DEFAULT)}."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="The study's name, and the prefix of its experiments.")] = "tune",
) -> None:
    """Search for better settings with short trainings, each a DVC experiment. Continues where it was stopped.

    Trials are scored on val. A trial whose score falls below the median of the others at the same step ends early and
    leaves no experiment.
    """
    import assets
    from assets.checkpoint import checkpoint
    from pipelines.tune.study import Study
    from stages.asset import require

    project = Project.find()
    require_own_code(project.root)
    found = spaces.parse(space or spaces.DEFAULT)
    require(project, checkpoint, assets.writers(assets.graph()))
    study = Study(project, name, found, steps or _steps(project), note)
    for number in ends():
        signal.signal(number, signal.default_int_handler)
    try:
        study.search(trials)
    except KeyboardInterrupt:
        note(f"stopped after {len(study.done())} of {trials} trials: run it again to continue")
        raise typer.Exit(130) from None
    best = study.best()
    settings = study.settings(best.params)
    scored = {one.number: one.value for one in study.done() if one.state == study.states.COMPLETE}
    rows = sorted(study.done(), key=lambda one: (one.number in scored, scored.get(one.number, 0.0)), reverse=True)
    print_columns(
        {
            "experiment": [study.experiment(one.number) for one in rows],
            "score on val": [
                f"{scored[one.number]:.3f}" if one.number in scored else one.state.name.lower() for one in rows
            ],
            **{key: [str(study.settings(one.params)[key]) for one in rows] for key in found},
        },
        (),
    )
    say(f"\nbest: {study.experiment(best.number)}, {best.value:.3f} on val after {study.steps} steps")
    say(
        "use its settings: plates run "
        + " ".join(f"--set {shlex.quote(f'{key}={as_yaml(value)}')}" for key, value in settings.items())
    )


def _steps(project: Project) -> int:
    """The steps of a trial.

    Raises:
        UserError: the run's length is not in steps.
    """
    if project.params.train.steps is None:
        raise UserError("train.steps is not set: give the length of a trial, plates tune --steps N")
    return max(1, project.params.train.steps // SHORTER)
