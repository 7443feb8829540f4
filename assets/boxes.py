"""The annotations that Great Expectations accepts.

People's decisions about labels (`label_decisions.csv`) are applied first. `data.box_from` says which box of a plate
counts. Rejected rows are in `data/rejected.parquet`, each with every expectation it broke; Data Docs are in
`reports/data_docs/`. With too many rejects, nothing goes downstream.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from checks import memory
from checks.annotations import Gate
from checks.suites.imbalance import imbalance
from checks.suites.suite import Outcome
from checks.whole import survey
from plates import parts
from plates.ccpd.geometry import around_corners
from plates.ccpd.subsets import SUBSETS
from plates.ccpd.table import LABELS_SCHEMA, REJECTED_SCHEMA
from plates.files import parquet_writer, write_json
from plates.scoring.classes import FILE as LABEL_MAP
from plates.scoring.classes import classes
from plates.splits import balance, shift
from plates.suspects import decisions
from stages.run import Run
from stages.stage import Output, asset
from stages.tables import described

PICTURES = 6


@asset(
    reads=["data/labels.parquet", LABEL_MAP],
    sources=[decisions.FILE],
    params=[
        "data.annotations",
        "data.box_from",
        "evaluation.max_detections",
        "nms.max_output_size",
        "validation",
    ],
    writes=[
        Output("data/boxes.parquet", schema=LABELS_SCHEMA),
        Output("data/rejected.parquet", schema=REJECTED_SCHEMA),
        "reports/validation.json",
        Output("reports/data_docs", tracked=False),
    ],
    group="data",
    kinds={"parquet", "greatexpectations"},
    description=__doc__,
)
def boxes(run: Run) -> dict[str, Any]:
    from plates import card
    from plates.pages.sheets import markdown

    path, limits, root = run.project.path, run.params.validation, run.project.photographs
    delivered = path("data/labels.parquet")
    names = list(classes(run.project).values())
    decided = decisions.read(path(decisions.FILE))
    decided = decisions.checked(decided, decisions.about(decided, delivered), names)

    def decided_parts() -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """The labels as decided, and the rows that are dropped, in parts with whole photographs."""
        for part in parts.by_photograph(parts.read(delivered)):
            yield decisions.apply(part.to_pandas(), decided, names)

    whole = survey(lambda: (labels for labels, _ in decided_parts()))
    deliveries = memory.folder(run.project)
    previous = memory.last(deliveries, whole.size)
    gate = Gate(
        whole,
        previous=previous.size if previous else None,
        subsets=whole.size.subsets if run.params.data.annotations else SUBSETS,
        edge_tolerance_px=limits.edge_tolerance_px,
        rejected_box=limits.rejected_box,
        most_objects=min(run.params.evaluation.max_detections, run.params.nms.max_output_size),
    )
    looks = run.project.scratch / "looks.parquet"
    broken: Counter[str] = Counter()
    distributions: list[pd.DataFrame] = []
    dropped: list[pd.DataFrame] = []
    shown: list[pd.DataFrame] = []
    shown_aside: list[pd.DataFrame] = []
    with (
        parquet_writer(path("data/boxes.parquet"), LABELS_SCHEMA) as keep,
        parquet_writer(looks, shift.SCHEMA) as look,
    ):
        with parquet_writer(path("data/rejected.parquet"), REJECTED_SCHEMA) as reject:
            for labels, left_out in decided_parts():
                accepted, rejected = gate.judge(labels)
                chosen = around_corners(accepted) if run.params.data.box_from == "corners" else accepted
                keep(typed(chosen, LABELS_SCHEMA))
                reject(typed(rejected, REJECTED_SCHEMA))
                look(typed(shift.features(accepted), shift.SCHEMA))
                distributions.append(balance.distribution(accepted))
                broken.update(rejected["broken"].explode())
                dropped.append(left_out)
                shown = [card.some_accepted(pd.concat([*shown, accepted]), 0, PICTURES)]
                shown_aside = [card.some_set_aside(pd.concat([*shown_aside, rejected]), 1)]
            reject(typed(set_aside(pd.concat(dropped)), REJECTED_SCHEMA))
        judgement = gate.judgement(path("reports/data_docs"))
        judgement.require(limits.max_rejected_fraction)
    balances = imbalance(
        balance.together(distributions),
        limits.max_class_share,
        limits.max_imbalance_ratio,
        names,
        data_docs=path("reports/data_docs/balance"),
    )
    old, new = previous and shift.Looks(previous.looks), shift.Looks(looks)
    since = shift.compare(old, new, limits.max_psi, limits.max_ks) if old else None
    outcomes = [*judgement.outcomes, not_dropped(whole.size.rows, sum(map(len, dropped)))]
    write_json(
        path("reports/validation.json"),
        {
            "outcomes": [outcome.model_dump() for outcome in outcomes],
            "balance": [axis.model_dump() for axis in balances],
            "shift": [] if since is None else json.loads(since.to_json(orient="records")),
            "counts": judgement.counts,
        },
    )
    memory.remember(deliveries, memory.Remembered(whole.size, looks))
    looks.unlink()
    often = pd.Series(broken, name="annotations").sort_values(ascending=False, kind="stable").rename_axis("broken")
    return {
        **described(LABELS_SCHEMA, judgement.labelled + judgement.negatives),
        **judgement.counts,
        **{f"{word} by decision": int(count) for word, count in decided["decision"].value_counts().items()},
        "rejected share": round(judgement.rejected_fraction, 4),
        "broken expectations": dg.MetadataValue.md(often.to_markdown() if len(often) else "none"),
        "balance": dg.MetadataValue.md("\n".join(f"- {axis.sentence}" for axis in balances)),
        "accepted pictures": dg.MetadataValue.md(markdown(card.accepted(shown[0], root, count=PICTURES))),
        "rejected pictures": dg.MetadataValue.md(markdown(card.set_aside(shown_aside[0][:PICTURES], root, 1))),
        "data docs": dg.MetadataValue.path(str(path("reports/data_docs/index.html"))),
        "data docs of the balance": dg.MetadataValue.path(str(path("reports/data_docs/balance/index.html"))),
    }


def set_aside(dropped: pd.DataFrame) -> pd.DataFrame:
    """The rows of photographs that people dropped, as rejected ones."""
    said = {"broken": decisions.DROPPED, "found": decisions.DROP}
    dropped = dropped.reset_index(drop=True)
    lists = {name: pd.Series([[word]] * len(dropped), dropped.index) for name, word in said.items()}
    return dropped.assign(**lists, ignored=False)


def not_dropped(rows: int, dropped: int) -> Outcome:
    """Whether people dropped a photograph, as the outcome of an expectation."""
    return Outcome(
        name=decisions.DROPPED,
        means=f"nobody decided to drop the photograph ({decisions.FILE})",
        severity="critical",
        success=not dropped,
        checked=rows + dropped,
        failed=dropped,
    )


def typed(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The rows in the schema's types: pandas turns integers into floats where one is missing."""
    return pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
