"""What must be true of the data, as Dagster's checks: on `labels`, `boxes`, `splits`, `tfrecords` and `anchors`.

The annotations themselves were judged inside `boxes`, which lets nothing bad through; here its verdicts are shown.
"""

import json
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq

from checks.report import failed, passed, rows, warned
from checks.suites.suite import Outcome
from plates.settings.project import Project


@dg.asset_check(asset="raw_images", description="Every image can be read: no empty, truncated or foreign file.")
def images_are_readable(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    images = pd.read_parquet(project.path("data/raw_images.parquet"), columns=["path", "problem"])
    broken = images[images["problem"].notna()]
    if broken.empty:
        return passed(f"all {len(images):,} images can be read")
    return warned(
        f"{len(broken):,} of {len(images):,} images cannot be read: they are set aside in `boxes`", rows(broken)
    )


@dg.asset_check(asset="labels", description="Every name is a CCPD label.")
def names_parse(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    unparsed = pd.read_parquet(project.path("data/unparsed.parquet"))
    if unparsed.empty:
        return passed("every name parses")
    return warned(f"{len(unparsed):,} names do not parse", rows(unparsed[["path", "field", "found", "reason"]]))


@dg.asset_check(asset="boxes", description="Which expectations of Great Expectations set annotations aside.")
def annotations_hold(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    report = validation(project)
    broken = pd.DataFrame(outcome for outcome in report["outcomes"] if not outcome["success"])
    if broken.empty:
        return passed(f"all {report['accepted']:,} annotations hold")
    said = f"{report['rejected']:,} annotations are set aside, {report['accepted']:,} are kept"
    outcomes = [Outcome.model_validate(outcome) for outcome in report["outcomes"]]
    shown = [one.sentence() for one in outcomes if one.severity == "warning" and not one.success]
    said = "; ".join([said, *shown])
    return warned(said, rows(broken[["name", "means", "severity", "failed", "checked"]]))


@dg.asset_check(asset="boxes", description="No class, province, subset, size or brightness outweighs the others.")
def classes_are_balanced(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    balances = validation(project)["balance"]
    skewed = [balance["sentence"] for balance in balances if not balance["success"]]
    table = rows(pd.DataFrame(balances)[["axis", "largest_share", "imbalance_ratio", "sentence"]])
    return warned("; ".join(skewed), table) if skewed else passed("no axis is out of balance", table)


@dg.asset_check(asset="boxes", description="This delivery looks like the last one, column by column.")
def delivery_looks_like_the_last(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.splits.shift import sentences

    compared = pd.DataFrame(validation(project)["shift"])
    if compared.empty:
        return passed("no delivery before this one is known")
    said = "; ".join(sentences(compared, "this delivery, against the last,"))
    return warned(said, rows(compared)) if said else passed("no column is shifted", rows(compared))


@dg.asset_check(asset="splits", blocking=True, description="No plate, file name or identical image is in two splits.")
def nothing_in_two_splits(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from checks.suites.splits import crossings

    splits = pd.read_parquet(project.path("data/splits.parquet"))
    boxes = pd.read_parquet(project.path("data/boxes.parquet"), columns=["path", "name", "sha256", "plate"])
    found = crossings(splits, boxes)
    table = rows(pd.DataFrame(crossing.model_dump() for crossing in found))
    said = "; ".join(crossing.sentence for crossing in found if not crossing.success)
    return failed(said, table) if said else passed("nothing crosses", table)


@dg.asset_check(asset="splits", description="Every subset and size is divided over the splits as all photographs are.")
def strata_are_even(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.ccpd.subsets import uses_lists
    from plates.splits.split import strata

    boxes = pq.read_table(project.path("data/boxes.parquet"))
    images = pq.read_table(project.path("data/raw_images.parquet"), columns=["path", "subset"])
    if uses_lists(project.params.split.method, project.photographs, images):
        return passed("the official lists divide whole subsets")
    divided = strata(boxes.to_pandas(), pd.read_parquet(project.path("data/splits.parquet")))
    uneven = divided[divided["uneven"]]
    said = f"the largest difference from all photographs is {divided['off'].max():.1%} of a stratum"
    table = rows(divided.round(3))
    if uneven.empty:
        return passed(said, table)
    return warned(f"{', '.join(uneven['stratum'])}: {said}. Another split.seed divides them otherwise", table)


@dg.asset_check(asset="splits", description="Few photographs of one split look like one of another.")
def few_near_duplicates(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from checks.suites.splits import near_duplicates
    from plates.card import side_by_side

    splits = pd.read_parquet(project.path("data/splits.parquet"))
    hashes = pq.read_table(project.path("data/raw_images.parquet"), columns=["path", "dhash"]).drop_null()
    found = near_duplicates(splits, hashes.to_pandas())
    said = "; ".join(one.sentence for one in found)
    pairs = pd.DataFrame([pair for one in found for pair in one.pairs], columns=["photograph", "looks like", "bits"])
    if pairs.empty:
        return passed(said)
    return warned(said, rows(pairs), dg.MetadataValue.md(side_by_side(pairs, project.photographs)))


@dg.asset_check(asset="splits", description="Validation and test look like training, column by column.")
def splits_look_alike(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.splits.shift import between_splits

    boxes = pd.read_parquet(project.path("data/boxes.parquet"))
    splits = pd.read_parquet(project.path("data/splits.parquet"))
    limits = project.params.split
    table = between_splits(boxes, splits, limits.max_psi, limits.max_ks)
    shifted = table[table["shifted"]]
    said = "; ".join(
        f"{row.split}: {row.column} {row.baseline} in train, {row.current} here (PSI {row.psi:.2f})"
        for row in shifted.itertuples()
    )
    return warned(said, rows(table)) if said else passed("no column is shifted", rows(table))


@dg.asset_check(
    asset="tfrecords", blocking=True, description="Every TFRecord decodes in full and equals its row of the table."
)
def tfrecords_equal_the_table(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.efficientdet.data import tfrecords

    report = tfrecords.verify(
        project.path("data/tfrecords"),
        pq.read_table(project.path("data/boxes.parquet"), columns=tfrecords.BOX_COLUMNS),
        pq.read_table(project.path("data/splits.parquet"), columns=tfrecords.SPLIT_COLUMNS),
    )
    if not report.problems:
        return passed(f"{report.examples:,} TFRecords with {report.boxes:,} boxes equal the table")
    problems = pd.DataFrame([vars(problem) for problem in report.problems[:50]])
    said = ", ".join(f"{count:,} {kind}" for kind, count in report.by_kind.items())
    first = "; ".join(f"{problem.where}: {problem.found}" for problem in report.problems[:3])
    return failed(
        f"TFRecords differ from the table: {said}. {first}. Run `plates materialize tfrecords` again", rows(problems)
    )


@dg.asset_check(asset="anchors", blocking=True, description="Enough training boxes reach IoU 0.5 with an anchor.")
def anchors_reach_the_boxes(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    fit = json.loads(project.path("data/anchors.json").read_text(encoding="utf-8"))
    recall, least = fit["used"]["best_possible_recall"], project.params.anchors.min_recall
    said = f"{recall:.1%} of the training boxes reach IoU 0.5 with an anchor of the model"
    if recall >= least:
        return passed(said)
    return failed(
        f"{said}, less than {least:.0%}: what is not reached is hardly learnt. Try model.aspect_ratios: auto, "
        f"model.anchor_scale: {fit['anchor_scale']}, or a larger model.image_size"
    )


def validation(project: Project) -> dict[str, Any]:
    """What `boxes` wrote of its verdicts."""
    return json.loads(project.path("reports/validation.json").read_text(encoding="utf-8"))
