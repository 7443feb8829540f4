"""`plates lineage explain`: how much of a change comes from the data, the parameters, the code and chance."""

from typing import Annotated

import typer

from pipelines.cli.app import note, say
from pipelines.cli.lineage.overview import Other, RecordId, commands
from pipelines.lineage.explain import METRIC, STAGES, carry_out, plan
from plates.lineage import record as records
from plates.lineage.attribution import Change
from plates.lineage.differences import headline, packages
from plates.settings.project import Project
from stages.dvc_fetch import fetcher


@commands.command()
def explain(
    first: RecordId,
    second: Other,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings per combination.")] = 2,
    yes: Annotated[bool, typer.Option("--yes", help="Start without asking.")] = False,
) -> None:
    """Train with every combination of what differs, to show how much each changed the mAP; seeds measure chance."""
    project = Project.find()
    root = project.root
    found = plan(root, records.find(root, first), records.find(root, second), seeds)
    say(headline(found.first, found.second))
    seed = "only the seed" if found.first.seeds != found.second.seeds else "nothing"
    say(f"What differs and can change the figure: {', '.join(found.causes) or seed}")
    if apart := packages(found.first, found.second).lines:
        say(f"Not measured, since all trainings run with the packages of here: {'; '.join(apart)}")
    minutes = _minutes(project)
    time = f", about {max(minutes * len(found.missing), 1):,.0f} min on this machine" if minutes else ""
    say(f"{len(found.runs)} trainings, {len(found.known)} already known: {len(found.missing)} to run{time}")
    if found.missing and not yes:
        typer.confirm("Start? If stopped, the same command continues from there.", abort=True)
    done = carry_out(root, found, note, fetcher(root))
    for cause, share in done.shares.items():
        say(f"{_said(share)} from the {cause}{'' if share.certain else ' (may be chance)'}")
    if found.causes:
        say(f"{_said(done.whole)} in all, over {seeds} seeds")
    say(f"±{done.seed:.3f} from the seed: the standard deviation of one training's {METRIC}")


def _said(change: Change) -> str:
    return f"{change.value:+.3f} ±{change.half:.3f}"


def _minutes(project: Project) -> float | None:
    """How long the stages took when they last ran in this project; None if Dagster does not know."""
    import dagster as dg

    from pipelines.resources import use_instance

    use_instance(project)
    with dg.DagsterInstance.get() as instance:
        events = [instance.get_latest_materialization_event(dg.AssetKey(stage)) for stage in STAGES]
    made = [event.asset_materialization for event in events if event and event.asset_materialization]
    seconds = [float(str(one.metadata["seconds"].value)) for one in made]
    return sum(seconds) / 60 if len(seconds) == len(STAGES) else None
