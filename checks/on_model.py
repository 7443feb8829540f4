"""What must be true of the model: checks on `checkpoint`, `evaluation`, `exported_model` and `champion`."""

import dagster as dg
import pandas as pd

from checks.report import failed, passed, rows, warned
from plates.files import read_json
from plates.lineage import champion
from plates.metrics import measured
from plates.scoring import agreement
from plates.serve.seen import FILE
from plates.settings.project import Project
from stages.uncommitted import blocking_check


@dg.asset_check(asset="preflight", description="Anchors, augmentation, classes, labels, rate and batch norm are sound.")
def training_can_learn(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    answers = read_json(project.path("metrics/preflight.json"))
    wrong = [answer for answer in answers if not answer["holds"]]
    figures = {"questions": len(answers), "problems": len(wrong)}
    table = rows(pd.DataFrame(answers)[["question", "holds", "said"]])
    if not wrong:
        return passed(f"{len(answers)} questions, no problem found", table, figures=figures)
    return warned("; ".join(f"{answer['question']}: no, {answer['said']}" for answer in wrong), table, figures=figures)


@dg.asset_check(asset="checkpoint", description="Training gave no warning: rate, anchors, batch norm, augmentation.")
def training_went_well(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    run = read_json(project.path("models/checkpoint/model.json"))["run"]
    figures = {"warnings": len(run["warnings"]), "steps": run["steps"], "best step": run["best_step"]}
    figures |= {f"best validation {name}": value for name, value in (run["best_validation"] or {}).items()}
    if run["warnings"]:
        return warned("; ".join(run["warnings"]), figures=figures)
    return passed("no warning", figures=figures)


@dg.asset_check(asset="evaluation", description="No known cause of a low score is found (`plates why`).")
def no_known_cause_of_a_low_score(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    from plates.why.evidence import of_now
    from plates.why.verdict import verdict

    found = verdict(of_now(project))
    said = f"{found.headline}. {found.answer}"
    figures = {
        "causes": len(found.findings),
        "weight of the first": found.findings[0].weight if found.findings else 0.0,
    }
    if not found.findings:
        answer = passed if found.healthy else warned
        return answer(said, figures=figures)
    table = pd.DataFrame([[one.cause, one.weight, one.sentence, one.turn, one.sure] for one in found.findings])
    return warned(said, rows(table.set_axis(["cause", "weight", "seen", "change", "look at"], axis=1)), figures=figures)


@blocking_check(
    asset="evaluation",
    description=f"The figures equal those of pycocotools and hotcoco, on up to {agreement.MOST:,} photographs.",
)
def scorers_agree(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    found = agreement.figures(project)
    if found is None:
        return passed("the detector has no boxes to score", figures={"photographs": 0, "figures that differ": 0})
    images, by_scorer = found
    differ = by_scorer[by_scorer.nunique(axis=1, dropna=False) > 1]
    figures = {"photographs": images, "figures": len(by_scorer), "figures that differ": len(differ)}
    on = f"on {images:,} photographs"
    if differ.empty:
        said = f"{len(by_scorer)} figures {on} are equal to the last digit"
        return passed(said, rows(by_scorer.reset_index()), figures=figures)
    return failed(
        f"{len(differ)} of {len(by_scorer)} figures {on} differ between the scorers: {', '.join(differ.index)}. Do not "
        "trust this evaluation, and please report it: this is a bug in a scorer, not a property of the model",
        rows(differ.reset_index()),
        figures=figures,
    )


@blocking_check(asset="exported_model", description="The export gives the checkpoint's own numbers.")
def export_agrees_with_checkpoint(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    agreement = read_json(project.path("models/export/model/agreement.json"))
    said = ", ".join(f"{name} within {value:.1e}" for name, value in agreement["differences"].items())
    figures = {"photographs": agreement["images"], **agreement["differences"]}
    if agreement["agrees"]:
        return passed(f"on {agreement['images']} test photographs: {said}", figures=figures)
    said = f"on {agreement['images']} test photographs the export differs from the checkpoint: {said}"
    return failed(said, figures=figures)


@dg.asset_check(asset="champion", description="The new model is not worse than the one in service.")
def not_below_the_champion(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    decision = read_json(project.path("models/champion.json"))["decision"]
    evidence = read_json(project.path(f"{champion.DECISIONS}/{decision['id']}.json"))["evidence"]
    figures = {**measured(read_json(project.path("metrics/evaluation.json"))), "compared slices": len(evidence)}
    figures |= {f"difference, {row['dimension']} {row['slice']}": row["difference"] for row in evidence}
    answer = passed if decision["promoted"] else warned
    return answer(decision["reason"], figures=figures)


@dg.asset_check(asset="champion", description="What `plates serve` sees looks like the training data.")
def service_sees_what_was_learnt(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    file = project.scratch / FILE
    if not file.exists():
        return passed("no service has run", figures={})
    seen = read_json(file)
    figures = {"photographs": seen["photographs"], "empty": seen.get("empty")}
    on = f"{seen['photographs']:,} photographs seen"
    if seen["drift"] is None:
        return passed(f"{on}: too few to say", figures=figures)
    if not seen["drift"]:
        return passed(f"{on}; they look like the training photographs", figures=figures)
    return warned(f"{on}. {'; '.join(seen['drift'])}. Label some: plates next FOLDER --to NEW", figures=figures)
