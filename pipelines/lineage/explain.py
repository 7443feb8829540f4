"""Why the figure changed from one record to another: training again with every combination of what differs.

The data of a combination are the tables and TFRecords of one of the records, with everything that shaped them; its
parameters and code are those of fitting, training and scoring. A run made before, in this project or in an earlier
try, is not made again: DVC's cache identifies it by its inputs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.lineage import again
from pipelines.lineage.verify import circumstances
from plates.errors import UserError
from plates.files import read_json, remove, write_json
from plates.lineage.attribution import Attribution, Cell, attribute, cells
from plates.lineage.cache import Cache
from plates.lineage.code_trees import export_code
from plates.lineage.origin import Steps
from plates.lineage.record import Record
from plates.lineage.restore import Fetch, share_cache
from plates.metrics import EVALUATION

STAGES = ("anchors", "checkpoint", "evaluation")
DATA, PARAMETERS, CODE, BOTH = "data", "parameters", "code", "parameters and code"
SEED = "train.seed"
METRIC = "mAP"


@dataclass(frozen=True)
class Run:
    """One training to run: what is taken from the second record, and the seed."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder and its result."""
        return "-".join([*sorted(word.replace(" ", "_") for word in self.cell), f"seed{self.seed}"])


@dataclass(frozen=True)
class Plan:
    """The trainings that an explanation needs.

    Attributes:
        first: the earlier record.
        second: the later one.
        causes: which of the inputs that determine the figure differ between them.
        runs: every training needed.
        known: the figures of those already made.
        folder: the folder of results and unfinished runs.
    """

    first: Record
    second: Record
    causes: Sequence[str]
    runs: Sequence[Run]
    known: Mapping[Run, float]
    folder: Path

    @property
    def missing(self) -> list[Run]:
        """The trainings still to run."""
        return [run for run in self.runs if run not in self.known]


def plan(root: Path, first: Record, second: Record, seeds: int) -> Plan:
    """What differs between two records, and the trainings that show which difference changed the figure.

    Raises:
        UserError: a record has no figure.
    """
    for record in (first, second):
        if record.metrics.get(METRIC) is None:
            raise UserError(f"record {record.short} has no {METRIC}: nothing to explain")
    causes = differing(first, second)
    chosen = _seeds(first, second, seeds)
    runs = [Run(cell, seed) for cell in cells(causes) for seed in chosen]
    folder = root / ".plates/explain" / f"{first.short}-{second.short}"
    known = {run: figure for run in runs if (figure := _known(folder, run)) is not None}
    for record, cell in ((first, Cell()), (second, frozenset(causes))):
        run = Run(cell, record.params["train"]["seed"])
        if run in runs and run not in known and not circumstances(record):
            known[run] = record.metrics[METRIC]
    return Plan(first, second, causes, runs, known, folder)


def differing(first: Record, second: Record) -> list[str]:
    """Which of data, parameters and code differ in the inputs of the stages from anchors to evaluation."""
    one, two = Steps(first), Steps(second)
    params = [_params(steps) for steps in (one, two)]
    code = [{stage: steps.sources(stage) for stage in _stages(steps)} for steps in (one, two)]
    found = [DATA] if _data(one) != _data(two) else []
    if params[0].keys() != params[1].keys() and code[0] != code[1]:
        return [*found, BOTH]
    return [*found, *([PARAMETERS] if params[0] != params[1] else []), *([CODE] if code[0] != code[1] else [])]


def carry_out(root: Path, plan: Plan, say: Callable[[str], None], fetch: Fetch | None = None) -> Attribution:
    """Runs the missing trainings one after another; finished and interrupted runs are kept.

    Args:
        root: the project's folder.
        plan: a plan of this project.
        say: takes a line as each run and each stage begins.
        fetch: fetches by hash what the cache lacks, if there is a remote.

    Raises:
        UserError: data or code of a record is not available, or a run fails.
    """
    figures = dict(plan.known)
    for number, run in enumerate(plan.missing, 1):
        say(f"{number} of {len(plan.missing)}: {_in_words(plan, run)}")
        began = time.monotonic()
        figures[run] = _train(root, plan, run, say, fetch)
        say(f"  {METRIC} {figures[run]:.3f} in {time.monotonic() - began:.0f} s")
    by_cell = {cell: [figures[run] for run in plan.runs if run.cell == cell] for cell in cells(plan.causes)}
    return attribute(by_cell, plan.causes)


def _in_words(plan: Plan, run: Run) -> str:
    whole = {0: plan.first.short, len(plan.causes): plan.second.short}.get(len(run.cell))
    taken = (
        f"all of {whole}" if whole else f"{' and '.join(sorted(run.cell))} of {plan.second.short}, the rest unchanged"
    )
    return f"{taken}, seed {run.seed}"


def _train(root: Path, plan: Plan, run: Run, say: Callable[[str], None], fetch: Fetch | None) -> float:
    folder, cache = plan.folder / run.name, Cache.of(root)
    data = plan.second if DATA in run.cell else plan.first
    params = plan.second if {PARAMETERS, BOTH} & run.cell else plan.first
    code = plan.second if {CODE, BOTH} & run.cell else plan.first
    steps = Steps(code)
    if not (folder / "dvc.lock").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        export_code(root, code, folder)
        settings = yaml.safe_load(params.params_yaml)
        settings.setdefault("train", {})["seed"] = run.seed
        (folder / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        wanted = _data(Steps(data))
        if fetch and (missing := [md5 for md5 in wanted.values() if cache.missing(md5)]):
            fetch(missing)
        for path, md5 in wanted.items():
            cache.put(md5, folder / path)
        again.remove(folder, steps, _stages(steps))
        share_cache(folder, cache)
        (folder / "dvc.lock").write_text(data.dvc_lock, encoding="utf-8")
    again.reproduce(folder, _stages(steps), say)
    figure = read_json(folder / EVALUATION).get(METRIC)
    if figure is None:
        raise UserError(f"the run {run.name} has no {METRIC}")
    write_json(plan.folder / f"{run.name}.json", {METRIC: figure})
    remove(folder)
    return float(figure)


def _known(folder: Path, run: Run) -> float | None:
    file = folder / f"{run.name}.json"
    return float(read_json(file)[METRIC]) if file.is_file() else None


def _seeds(first: Record, second: Record, count: int) -> list[int]:
    """The records' own seeds first: their runs already exist."""
    own = [record.params["train"]["seed"] for record in (first, second)]
    return list(dict.fromkeys([*own, *range(own[0] + 1, own[0] + count + 1)]))[:count]


def _stages(steps: Steps) -> list[str]:
    return [stage for stage in steps.stages if stage in STAGES]


def _data(steps: Steps) -> dict[str, str]:
    """The stages' inputs from other stages, with hashes."""
    read = {path: md5 for stage in _stages(steps) for path, md5 in steps.inputs(stage).items()}
    return {path: md5 for path, md5 in sorted(read.items()) if steps.maker(path) not in STAGES}


def _params(steps: Steps) -> dict[str, Any]:
    """The parameters that the stages read, without the seed."""
    read = {key: value for stage in _stages(steps) for key, value in steps.params(stage).items()}
    return {key: value for key, value in read.items() if key != SEED}
