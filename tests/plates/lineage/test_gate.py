import pandas as pd
import pytest

from plates.errors import UserError
from plates.lineage.gate import Decision, Rule, decide, decide_by_figure, evidence

RULE = Rule("mAP", min_value=0.1, margin=0.01)


def row(first: float, second: float, spread: float, where: tuple[str, str] = ("all", "all"), groups: int = 120) -> dict:
    """A row of `plates.scoring.by_slice.paired` whose 95% interval is `spread` to either side."""
    difference = second - first
    between = {"low": difference - spread, "high": difference + spread}
    dimension, name = where
    return {
        **{"dimension": dimension, "slice": name, "images": groups, "groups": groups, "figure": "mAP"},
        **{"first": first, "second": second, "difference": difference, **between},
    }


def ask(*rows: dict, figure: float = 0.5, agrees: bool = True) -> Decision:
    table = pd.DataFrame(rows) if rows else None
    return decide({"mAP": figure}, table, RULE, best="record abcd", agrees=agrees)


def test_the_first_model_goes_into_service() -> None:
    assert ask() == Decision(True, "mAP 0.500; the first model in service")


def test_nothing_below_the_least_goes_into_service() -> None:
    decision = ask(figure=0.05)
    assert not decision.promoted
    assert "gate.min_value" in decision.reason


def test_a_model_whose_export_differs_never_goes_into_service() -> None:
    assert not ask(row(0.5, 0.9, 0.01), figure=0.9, agrees=False).promoted


@pytest.mark.parametrize(
    ("first", "second", "spread", "promoted"),
    [
        (0.500, 0.600, 0.05, True),
        (0.500, 0.480, 0.05, True),  # a loss that chance explains
        (0.500, 0.480, 0.001, False),  # the same loss, certain
        (0.500, 0.495, 0.001, True),  # a certain loss within the margin
        (0.500, 0.300, 0.05, False),
    ],
)
def test_refused_is_what_is_worse_by_more_than_chance_and_the_margin(first, second, spread, promoted) -> None:
    decision = ask(row(first, second, spread), figure=second)
    assert decision.promoted is promoted
    assert f"{first:.3f}" in decision.reason
    assert f"{second:.3f}" in decision.reason


def test_a_slice_that_is_worse_is_named() -> None:
    dark = ("brightness", "under 50")
    decision = ask(row(0.5, 0.5, 0.02), row(0.6, 0.4, 0.05, dark))
    assert not decision.promoted
    assert "where brightness is under 50" in decision.reason
    assert "0.400 against 0.600" in decision.reason


@pytest.mark.parametrize(("plates", "judged"), [(40, False), (99, False), (100, True)])
def test_a_slice_is_judged_from_a_hundred_plates_on(plates: int, judged: bool) -> None:
    decision = ask(row(0.5, 0.5, 0.02), row(0.6, 0.1, 0.05, ("tilt", "30 and more"), groups=plates))
    assert decision.promoted is not judged


def test_few_plates_have_no_interval() -> None:
    decision = ask(row(0.9, 0.2, float("nan"), groups=4))
    assert not decision.promoted
    assert "a difference of -0.700 (too few plates to know the chance); worse beyond gate.margin" in decision.reason
    assert "nan" not in decision.reason


def test_the_evidence_is_kept_ready_for_json() -> None:
    decision = ask(row(0.5, 0.49, 0.02))
    (kept,) = decision.evidence
    assert kept["dimension"] == "all"
    assert kept["least_loss"] == pytest.approx(0.49 - 0.5 + 1.645 * 0.02 / 1.96, abs=1e-4)
    assert evidence(pd.DataFrame([row(0.5, 0.49, float("nan"))]), "mAP")["least_loss"].item() == pytest.approx(-0.01)


def test_masks_are_judged_by_their_figure_and_the_margin() -> None:
    rule = Rule("mask_iou", 0.1, 0.01)

    def ask(new: float, old: float, agrees: bool = True) -> Decision:
        return decide_by_figure({"mask_iou": new}, {"mask_iou": old}, rule, best="record abcd", agrees=agrees)

    assert ask(0.5, 0.505).promoted
    assert ask(0.5, 0.505).evidence[0]["difference"] < 0, "what is worse within the margin is no new bar"
    assert not ask(0.5, 0.52).promoted
    assert ask(0.5, 0.52).reason == "mask_iou 0.500 against 0.520 of record abcd"
    assert not ask(0.6, 0.5, agrees=False).promoted


def test_a_model_that_was_not_measured_is_not_judged() -> None:
    with pytest.raises(UserError, match="measured by mask_iou"):
        decide({"mask_iou": 0.9}, None, RULE, best=None, agrees=True)
    by_corners = Rule("corner_iou", 0.1, 0.01)
    with pytest.raises(UserError, match="by which record abcd, the best model in service, was not measured"):
        decide({"corner_iou": 0.9}, pd.DataFrame([row(0.5, 0.6, 0.02)]), by_corners, best="record abcd", agrees=True)
    by_masks = Rule("mask_iou", 0.1, 0.01)
    with pytest.raises(UserError, match="by which record abcd, the best model in service, was not measured"):
        decide_by_figure({"mask_iou": 0.9}, {"mAP": 0.5}, by_masks, best="record abcd", agrees=True)
