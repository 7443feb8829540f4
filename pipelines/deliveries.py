"""Each delivery validated on its own: a partition for every folder of `data.root`, with a history of verdicts.

It runs before a run uses the photographs, and costs only what the delivery costs: `raw_images` does not decode or
convert again what is decoded or converted here. Nothing reads this asset, so it is not a DVC stage; the model learns
from all deliveries together.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from assets.labels import turns_of, with_turned
from checks.annotations import Verdict, validate
from pipelines.dagster_private import DATA_VERSION_TAG
from plates.ccpd.table import label_map, parse_labels
from plates.errors import UserError
from plates.files import as_text
from plates.photographs.content import Photographs
from plates.photographs.intake import taken_in
from plates.photographs.scan import scan
from plates.photographs.watch import look
from plates.remote import Place
from plates.remote import folders as folders_in
from plates.settings.project import Project
from plates.suspects import decisions
from stages.asset import OWNER

DELIVERIES = dg.DynamicPartitionsDefinition(name="deliveries")
CHECK = "fit_to_learn_from"
AGAINST = "reasons against"
FIT = "a run would accept it"


delivery = dg.AssetSpec(
    "delivery",
    partitions_def=DELIVERIES,
    group_name="data",
    kinds={"jpeg", "greatexpectations"},
    owners=[OWNER],
    description=__doc__,
)


@dg.op
def judge_delivery(context: dg.OpExecutionContext, project: dg.ResourceParam[Project]) -> Iterator[Any]:
    """Scans, decodes and validates the photographs of one folder."""
    project = Project(project.root)
    name = context.partition_key
    try:
        images = photographs_of(project, name)
        found, trouble = judged(project, name, images)
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    content = hashlib.sha256("".join(sorted(images["sha256"].drop_null().to_pylist())).encode()).hexdigest()
    yield dg.AssetMaterialization(
        delivery.key,
        description="; ".join(trouble) or FIT,
        metadata={
            "photographs": len(images),
            "bytes": pc.sum(images["bytes"]).as_py(),
            AGAINST: len(trouble),
            **found,
        },
        partition=name,
        tags={DATA_VERSION_TAG: content},
    )
    context.instance.report_runless_asset_event(last_verdicts(context.instance, project))
    yield dg.Output(None)


@dg.asset_check(asset=delivery.key, description="A run would accept every delivery, by the last verdict on each.")
def fit_to_learn_from(
    context: dg.AssetCheckExecutionContext, project: dg.ResourceParam[Project]
) -> dg.AssetCheckResult:
    """The check that `judge_delivery` reports, without looking at the photographs again."""
    said = last_verdicts(context.instance, Project(project.root))
    return dg.AssetCheckResult(passed=said.passed, description=said.description, metadata=said.metadata)


def last_verdicts(instance: dg.DagsterInstance, project: Project) -> dg.AssetCheckEvaluation:
    """Which of the current deliveries a run would refuse."""
    verdicts = {}
    for folder in folders(project):
        wanted = dg.AssetRecordsFilter(delivery.key, asset_partitions=[folder.name])
        for record in instance.fetch_materializations(wanted, limit=1).records:
            verdicts[folder.name] = record.asset_materialization
    refused = [
        f"{name}: {verdict.description}"
        for name, verdict in verdicts.items()
        if verdict is not None and verdict.metadata[AGAINST].value
    ]
    return dg.AssetCheckEvaluation(
        delivery.key,
        CHECK,
        passed=not refused,
        description="; ".join(refused) or (FIT if verdicts else "no delivery has been judged yet"),
        metadata={"deliveries": len(verdicts), "refused": len(refused)},
    )


def photographs_of(project: Project, name: str) -> pa.Table:
    """The photographs of the folder `name`, scanned, converted if the settings say so, and decoded."""
    names = [folder.name for folder in folders(project)]
    if name not in names:
        raise UserError(f"{name} is not a folder of {project.photographs}: choose one of {', '.join(names) or 'none'}")
    called = hashlib.sha256(name.encode()).hexdigest()[:16]  # a folder's name may be too long for a file's
    root, scanned = project.photographs / name, project.scratch / "delivered" / f"{called}.parquet"
    photographs = Photographs(root, project.converted, scanned)
    return taken_in(scan(root, scanned).table, photographs, project.scratch, project.params.data)


def judged(project: Project, name: str, images: pa.Table) -> tuple[dict[str, Any], list[str]]:
    """The figures of a delivery, and why a run would refuse it. A COCO JSON has the labels of all deliveries."""
    params = project.params
    problems = images["problem"].drop_null().value_counts().to_pylist()
    found: dict[str, Any] = {"unusable": images.num_rows - images["problem"].null_count}
    if problems:
        rows = "\n".join(f"| {one['values']} | {one['counts']:,} |" for one in problems)
        found["problems"] = dg.MetadataValue.md(f"| problem | photographs |\n| --- | --- |\n{rows}")
    if project.annotations:
        return found, []
    labels, unparsed = parse_labels(images, params.data.class_by)
    turned = images.filter(pc.is_valid(images["orientation"]))
    labels = with_turned(labels, turns_of(turned, params.data.class_by))
    share = len(unparsed) / len(images)
    found |= {"labels": len(labels), "unparsed": len(unparsed)}
    trouble = []
    if share > params.data.max_unparsed:
        trouble.append(
            f"{len(unparsed):,} of {len(images):,} names are not CCPD labels, such as {unparsed['name'][0]}: "
            f"{unparsed['reason'][0]}"
        )
    if len(labels):
        verdict = validate(
            decided(project, name, labels.to_pandas()),
            edge_tolerance_px=params.validation.edge_tolerance_px,
            rejected_box=params.validation.rejected_box,
            most_objects=min(params.evaluation.max_detections, params.nms.max_output_size),
        )
        found |= {**verdict.counts, "expectations": expectations(verdict)}
        try:
            verdict.require(params.validation.max_rejected_fraction)
        except UserError as error:
            trouble.append(str(error).splitlines()[0])
    return found, trouble


def decided(project: Project, name: str, labels: pd.DataFrame) -> pd.DataFrame:
    """The labels of the folder `name`, as people's decisions about them have them."""
    file = project.path(decisions.FILE)
    if not file.is_file():
        return labels
    lines = decisions.read(file)
    lines = lines[lines["path"].astype(str).str.startswith(f"{name}/")]
    lines = lines.assign(path=lines["path"].astype(str).str.removeprefix(f"{name}/"))
    names = list(label_map(project.params.data.class_by).values())
    return decisions.apply(labels, decisions.checked(lines, labels, names), names)[0]


def expectations(verdict: Verdict) -> dg.MetadataValue:
    """A table of the expectations, the ones that failed most first."""
    rows = pd.DataFrame([outcome.model_dump(include={"name", "checked", "failed"}) for outcome in verdict.outcomes])
    rows = rows.sort_values("failed", ascending=False, kind="stable")
    return dg.MetadataValue.table([dg.TableRecord(record) for record in json.loads(rows.to_json(orient="records"))])


@dg.job(
    partitions_def=DELIVERIES,
    description="Validate each delivery on its own: one partition per folder of data.root.",
)
def validate_deliveries() -> None:
    """A separate job: a partitioned asset among the others would keep "Materialize all" from starting."""
    judge_delivery()


@dg.sensor(
    job=validate_deliveries,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Adds a partition for each folder of data.root, and validates folders that are new or changed once "
    "they are stable. Off until you switch it on.",
)
def new_deliveries(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SensorResult:
    """Requests a run on each folder that two looks in a row found the same, unless one was requested for that state."""
    root = Project(project.root).photographs
    try:
        now = dict(fingerprints(project))
    except UserError as error:
        return dg.SensorResult(skip_reason=str(error))
    inside = folders_in(root) if root.is_dir() else []
    if odd := [as_text(folder.name) for folder in inside if not is_utf8(folder.name)]:
        context.log.warning(f"names that are not UTF-8 cannot be partitions; not validated: {', '.join(odd)}")
    if not now:
        return dg.SensorResult(skip_reason=f"no folder of photographs in {root}")
    before = json.loads(context.cursor or "{}")
    known = set(context.instance.get_dynamic_partitions(DELIVERIES.name or ""))
    added = [name for name in now if name not in known]
    rest = {name: seen for name, seen in now.items() if before.get(name) == seen}
    return dg.SensorResult(
        run_requests=[dg.RunRequest(f"{name}:{seen}", partition_key=name) for name, seen in rest.items()],
        dynamic_partitions_requests=[DELIVERIES.build_add_request(added)] if added else [],
        cursor=json.dumps(now),
    )


def folders(project: Project) -> list[Place]:
    """The folders of `data.root`: its deliveries. One whose name is not UTF-8 cannot be a partition."""
    root = Project(project.root).photographs
    return [folder for folder in folders_in(root) if is_utf8(folder.name)] if root.is_dir() else []


def is_utf8(name: str) -> bool:
    """Whether a folder's name can be a partition's."""
    return as_text(name) == name


def fingerprints(project: Project) -> Iterator[tuple[str, str]]:
    """The name and fingerprint of every folder of `data.root` that holds photographs."""
    for folder in folders(project):
        found = look(folder)
        if len(found.photographs) and not found.unreadable:
            yield folder.name, found.fingerprint
