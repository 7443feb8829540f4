from typing import Any

import pytest

from plates.errors import UserError
from plates.lineage.gate import Decision, decide


def scored(value: float, test_set: str = "one") -> dict[str, Any]:
    return {"metrics": {"mAP": value}, "test_set": test_set}


def ask(challenger: dict[str, Any], champion: dict[str, Any] | None, rescored: float | None = None) -> Decision:
    def rescore() -> dict[str, float]:
        if rescored is None:
            pytest.fail("the champion was scored again on the very test set it was scored on")
        return {"mAP": rescored}

    return decide(challenger, champion, metric="mAP", min_value=0.1, tolerance=0.01, rescore=rescore)


@pytest.mark.parametrize(
    ("challenger", "champion", "promoted"),
    [
        (0.5, None, True),
        (0.05, None, False),
        (0.6, 0.5, True),
        (0.495, 0.5, True),
        (0.48, 0.5, False),
        (0.05, 0.01, False),
    ],
)
def test_on_one_test_set(challenger: float, champion: float | None, promoted: bool) -> None:
    decision = ask(scored(challenger), None if champion is None else scored(champion))
    assert decision.promoted is promoted
    assert f"{challenger:.3f}" in decision.reason


def test_on_another_test_set_the_champion_is_scored_again_there() -> None:
    """Its old 0.9 was on easier photographs: on the challenger's it gets 0.4."""
    assert ask(scored(0.5, "two"), scored(0.9), rescored=0.4).promoted
    refused = ask(scored(0.5, "two"), scored(0.1), rescored=0.7)
    assert not refused.promoted
    assert "0.700" in refused.reason


def test_a_figure_that_was_not_measured_decides_nothing() -> None:
    masks = {"metrics": {"mask_iou": 0.5}, "test_set": "one"}
    with pytest.raises(UserError, match=r"gate.metric is mAP, and the new model has none: .* by mask_iou"):
        ask(masks, None)
    with pytest.raises(UserError, match=r"the champion has none"):
        ask(scored(0.5), masks)
