"""The annotations that Great Expectations accepts.

People's decisions about labels (`label_decisions.csv`) are applied first. `data.box_from` says which box of a plate
counts. Rejected rows are in `data/rejected.parquet`, each with every expectation it broke; Data Docs are in
`reports/data_docs/`. With too many rejects, nothing goes downstream.
"""

import json
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from checks import memory
from checks.annotations import validate
from checks.suites.imbalance import imbalance
from checks.suites.suite import Outcome
from plates.ccpd.geometry import around_corners
from plates.ccpd.subsets import SUBSETS
from plates.ccpd.table import LABELS_SCHEMA, REJECTED_SCHEMA
from plates.files import write_json, write_parquet
from plates.scoring.classes import classes
from plates.splits import shift
from plates.suspects import decisions
from stages.run import Run
from stages.stage import Output, asset
from stages.tables import described

PICTURES = 6


@asset(
    reads=["data/labels.parquet"],
    sources=[decisions.FILE],
    params=[
        "data.annotations",
        "data.box_from",
        "data.class_by",
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

    path, limits = run.project.path, run.params.validation
    delivered = pd.read_parquet(path("data/labels.parquet"))
    names = list(classes(run.project).values())
    decided = decisions.checked(decisions.read(path(decisions.FILE)), delivered, names)
    labels, dropped = decisions.apply(delivered, decided, names)
    deliveries = memory.folder(run.project)
    previous = memory.last(deliveries, labels)
    known = labels["subset"].unique() if run.params.data.annotations else SUBSETS
    verdict = validate(
        labels,
        previous=previous.size if previous else None,
        subsets=known,
        data_docs=path("reports/data_docs"),
        edge_tolerance_px=limits.edge_tolerance_px,
        rejected_box=limits.rejected_box,
        most_objects=min(run.params.evaluation.max_detections, run.params.nms.max_output_size),
    )
    write_parquet(path("data/rejected.parquet"), typed(set_aside(verdict.rejected, dropped), REJECTED_SCHEMA))
    verdict.require(limits.max_rejected_fraction)
    balances = imbalance(
        verdict.accepted,
        limits.max_class_share,
        limits.max_imbalance_ratio,
        names,
        data_docs=path("reports/data_docs/balance"),
    )
    looks = shift.features(verdict.accepted)
    since = shift.compare(previous.looks, looks, limits.max_psi, limits.max_ks) if previous else None
    chosen = around_corners(verdict.accepted) if run.params.data.box_from == "corners" else verdict.accepted
    write_parquet(path("data/boxes.parquet"), typed(chosen, LABELS_SCHEMA))
    write_json(
        path("reports/validation.json"),
        {
            "outcomes": [outcome.model_dump() for outcome in [*verdict.outcomes, not_dropped(labels, dropped)]],
            "balance": [balance.model_dump() for balance in balances],
            "shift": [] if since is None else json.loads(since.to_json(orient="records")),
            "counts": verdict.counts,
        },
    )
    memory.remember(deliveries, labels, verdict.accepted)
    broken = verdict.rejected["broken"].explode().value_counts().rename("annotations").to_frame()
    return {
        **described(LABELS_SCHEMA, len(verdict.accepted)),
        **verdict.counts,
        **{f"{word} by decision": int(count) for word, count in decided["decision"].value_counts().items()},
        "rejected share": round(verdict.rejected_fraction, 4),
        "broken expectations": dg.MetadataValue.md(broken.to_markdown() if len(broken) else "none"),
        "balance": dg.MetadataValue.md("\n".join(f"- {balance.sentence}" for balance in balances)),
        "accepted pictures": dg.MetadataValue.md(
            markdown(card.accepted(verdict.accepted, run.project.photographs, count=PICTURES))
        ),
        "rejected pictures": dg.MetadataValue.md(
            markdown(card.set_aside(verdict.rejected, run.project.photographs, 1)[:PICTURES])
        ),
        "data docs": dg.MetadataValue.path(str(path("reports/data_docs/index.html"))),
        "data docs of the balance": dg.MetadataValue.path(str(path("reports/data_docs/balance/index.html"))),
    }


def set_aside(rejected: pd.DataFrame, dropped: pd.DataFrame) -> pd.DataFrame:
    """The rejected rows, followed by those of photographs that people dropped."""
    if dropped.empty:
        return rejected
    said = {"broken": decisions.DROPPED, "found": decisions.DROP}
    lists = {name: pd.Series([[word]] * len(dropped), dropped.index) for name, word in said.items()}
    return pd.concat([rejected, dropped.assign(**lists, ignored=False)], ignore_index=True)


def not_dropped(labels: pd.DataFrame, dropped: pd.DataFrame) -> Outcome:
    """Whether people dropped a photograph, as the outcome of an expectation."""
    return Outcome(
        name=decisions.DROPPED,
        means=f"nobody decided to drop the photograph ({decisions.FILE})",
        severity="critical",
        success=dropped.empty,
        checked=len(labels) + len(dropped),
        failed=len(dropped),
    )


def typed(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The rows in the schema's types: pandas turns integers into floats where one is missing."""
    return pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
