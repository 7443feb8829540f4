"""What must be true of the data, as Dagster's checks: on `labels`, `boxes`, `splits`, `tfrecords` and `anchors`.

The annotations themselves were validated inside `boxes`, which lets nothing bad through; these checks show the result.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from checks.report import failed, passed, rows, warned
from checks.suites.suite import Outcome
from plates import parts
from plates.files import read_json
from plates.photographs.header import NOT_JPEG, TURNED
from plates.settings.project import Project
from stages.uncommitted import blocking_check


@dg.asset_check(asset="raw_images", description="Every image is usable: an upright JPEG that decodes completely.")
def images_are_readable(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.photographs.convert import convertible

    images = pq.read_table(project.path("data/raw_images.parquet"), columns=["path", "problem"])
    broken = images.filter(pc.is_valid(images["problem"])).to_pandas()
    turned, foreign = (int(broken["problem"].str.startswith(kind).sum()) for kind in (TURNED, NOT_JPEG))
    counts = {"turned by EXIF": turned, "not a JPEG": foreign, "cannot be read": len(broken) - turned - foreign}
    figures = {"images": len(images), **counts}
    if broken.empty:
        return passed(f"all {len(images):,} images can be read", figures=figures)
    said = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    said = f"of {len(images):,} images: {said}; `boxes` sets them aside"
    if upright := pc.sum(convertible(images)).as_py():
        said += f". {upright:,} can be made upright JPEGs: plates run --set data.convert=when_needed"
    return warned(said, rows(broken), figures=figures)


@dg.asset_check(asset="labels", description="Every name is a CCPD label.")
def names_parse(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    unparsed = pd.read_parquet(project.path("data/unparsed.parquet"))
    figures = {"unparsed": len(unparsed), "parsed": pq.read_metadata(project.path("data/labels.parquet")).num_rows}
    if unparsed.empty:
        return passed("every name parses", figures=figures)
    table = rows(unparsed[["path", "field", "found", "reason"]])
    return warned(f"{len(unparsed):,} names do not parse", table, figures=figures)


@dg.asset_check(asset="boxes", description="Every annotation meets the expectations.")
def annotations_hold(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    report = validation(project)
    outcomes = [Outcome.model_validate(outcome) for outcome in report["outcomes"]]
    counts = report["counts"]
    broken = [outcome for outcome in outcomes if not outcome.success]
    if not broken:
        return passed(f"all {counts['accepted']:,} annotations are accepted", figures=counts)
    said = f"{counts['rejected']:,} annotations are set aside, {counts['accepted']:,} are kept"
    shown = [outcome.sentence() for outcome in broken if outcome.severity == "warning"]
    table = pd.DataFrame(outcome.model_dump() for outcome in broken)
    return warned(
        "; ".join([said, *shown]), rows(table[["name", "means", "severity", "failed", "checked"]]), figures=counts
    )


@dg.asset_check(asset="boxes", description="No class, province, subset, size or brightness outweighs the others.")
def classes_are_balanced(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    balances = pd.DataFrame(validation(project)["balance"])
    skewed = balances["sentence"][~balances["success"].astype(bool)]
    figures = {f"{row.axis}: largest share": row.largest_share for row in balances.itertuples()}
    figures |= {f"{row.axis}: imbalance ratio": row.imbalance_ratio for row in balances.itertuples()}
    table = rows(balances[["axis", "largest_share", "imbalance_ratio", "sentence"]])
    if skewed.empty:
        return passed("no axis is out of balance", table, figures=figures)
    return warned("; ".join(skewed), table, figures=figures)


@dg.asset_check(asset="boxes", description="This delivery looks like the last one, column by column.")
def delivery_looks_like_the_last(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.splits.shift import sentences

    compared = pd.DataFrame(validation(project)["shift"])
    if compared.empty:
        return passed("there is no earlier delivery to compare with", figures={"shifted columns": 0})
    said = "; ".join(sentences(compared, "this delivery, against the last,"))
    answer = warned if said else passed
    return answer(said or "no column is shifted", rows(compared), figures=_shifts(compared))


@blocking_check(asset="splits", description="No plate, file name or identical image is in two splits.")
def nothing_in_two_splits(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from checks.suites.splits import crossings, suspects

    found = crossings(
        *suspects(lambda: with_splits(project, "boxes", ["path", "name", "sha256", "plate", "area_ratio"]))
    )
    table = rows(pd.DataFrame(crossing.model_dump() for crossing in found))
    figures = {f"images that share a {crossing.what}": crossing.images for crossing in found}
    said = "; ".join(crossing.sentence for crossing in found if not crossing.success)
    return failed(said, table, figures=figures) if said else passed("nothing crosses", table, figures=figures)


@dg.asset_check(asset="splits", description="Every subset and size is divided like all photographs.")
def strata_are_even(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.ccpd.subsets import uses_lists
    from plates.splits.strata import strata_of

    images = pq.read_table(project.path("data/raw_images.parquet"), columns=["path", "subset"])
    divided = strata_of(project.path("data/boxes.parquet"), project.path("data/splits.parquet"))
    uneven = divided[divided["uneven"]]
    figures = {"strata": len(divided), "uneven": len(uneven), "largest difference": divided["off"].max()}
    table = rows(divided.round(3))
    if uses_lists(project.params.split.method, project.photographs, images):
        return passed("the official lists assign whole subsets", table, figures=figures)
    said = f"the largest difference from all photographs is {divided['off'].max():.1%}"
    if uneven.empty:
        return passed(said, table, figures=figures)
    hint = "Another split.seed divides them differently"
    return warned(f"{', '.join(uneven['stratum'])}: {said}. {hint}", table, figures=figures)


@dg.asset_check(asset="splits", description="Few photographs of one split look like one of another.")
def few_near_duplicates(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from checks.suites.splits import near_duplicates
    from plates.card import side_by_side

    found = near_duplicates(with_splits(project, "raw_images", ["path", "dhash"], complete=True))
    figures = {f"{one.split} like {one.other}": one.near for one in found}
    said = "; ".join(one.sentence for one in found)
    pairs = pd.DataFrame([pair for one in found for pair in one.pairs], columns=["photograph", "looks like", "bits"])
    if pairs.empty:
        return passed(said, figures=figures)
    return warned(said, rows(pairs), dg.MetadataValue.md(side_by_side(pairs, project.photographs)), figures=figures)


@dg.asset_check(asset="splits", description="Validation and test look like training, column by column.")
def splits_look_alike(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.splits.shift import between_splits

    limits = project.params.split
    table = between_splits(with_splits(project, "boxes"), limits.max_psi, limits.max_ks)
    said = "; ".join(
        f"{row.split}: {row.column} {row.baseline} in train, {row.current} here (PSI {row.psi:.2f})"
        for row in table[table["shifted"]].itertuples()
    )
    answer = warned if said else passed
    return answer(said or "no column is shifted", rows(table), figures=_shifts(table))


@blocking_check(asset="tfrecords", description="Every TFRecord decodes completely and equals its row in the table.")
def tfrecords_equal_the_table(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.efficientdet.data import tfrecords
    from plates.scoring.ignored import REJECTED, regions

    folder, boxes, splits = (project.path(f"data/{name}") for name in ("tfrecords", "boxes.parquet", "splits.parquet"))
    label_map = tfrecords.read_manifest(folder).label_map
    report = tfrecords.verify_images(
        folder, tfrecords.images_from(boxes, splits, label_map, regions(project.path(REJECTED)))
    )
    figures = {"TFRecords": report.examples, "boxes": report.boxes, "differences": len(report.problems)}
    if not report.problems:
        return passed(f"{report.examples:,} TFRecords with {report.boxes:,} boxes equal the table", figures=figures)
    problems = pd.DataFrame([vars(problem) for problem in report.problems])
    said = ", ".join(f"{count:,} {kind}" for kind, count in report.by_kind.items())
    first = "; ".join(f"{problem.where}: {problem.found}" for problem in report.problems[:3])
    return failed(
        f"TFRecords differ from the table: {said}. {first}. Write them again: plates materialize tfrecords",
        rows(problems),
        figures=figures,
    )


@blocking_check(asset="anchors", description="Enough training boxes reach IoU 0.5 with an anchor.")
def anchors_reach_the_boxes(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    fit = read_json(project.path("data/anchors.json"))
    recall, least = fit["used"]["best_possible_recall"], project.params.anchors.min_recall
    figures = {"recall": recall, "least": least}
    said = f"{recall:.1%} of the training boxes reach IoU 0.5 with an anchor of the model"
    if recall >= least:
        return passed(said, figures=figures)
    scale = fit["anchor_scale"] if project.params.model.anchor_scale is None else "null"  # a scale that is set is kept
    return failed(
        f"{said}, less than {least:.0%}: boxes that no anchor reaches are hardly learned. Try "
        f"model.aspect_ratios: auto, model.anchor_scale: {scale}, or a larger model.image_size",
        figures=figures,
    )


def with_splits(
    project: Project, table: str, columns: list[str] | None = None, *, complete: bool = False
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Parts of a table with whole photographs (`complete`: without rows that have a null), each with its splits."""
    rows = parts.by_photograph(parts.read(project.path(f"data/{table}.parquet"), columns))
    for part, splits in parts.beside(rows, parts.read(project.path("data/splits.parquet"))):
        yield (part.drop_null() if complete else part).to_pandas(), splits.to_pandas()


def _shifts(compared: pd.DataFrame) -> dict[str, float]:
    """Figures of a table of `plates.splits.shift`."""
    return {"shifted columns": int(compared["shifted"].sum()), "largest PSI": float(compared["psi"].max())}


def validation(project: Project) -> dict[str, Any]:
    """The validation results that `boxes` wrote."""
    return read_json(project.path("reports/validation.json"))
