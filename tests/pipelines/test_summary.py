"""The last line about the model in service says what was decided about the model of this run."""

from typing import Any

import pytest

from pipelines.summary import decided

OWN, OTHER = "a" * 12, "b" * 12


def champion(record: str | None, kind: str, challenger: str, promoted: bool) -> dict[str, Any]:
    decision = {"kind": kind, "challenger": challenger, "promoted": promoted, "reason": "mAP 0.5 against 0.4"}
    return {"record": record, "decision": decision}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (champion(OWN, "gate", OWN, True), "promoted: mAP 0.5 against 0.4"),
        (champion(OTHER, "gate", OWN, False), "not promoted: mAP 0.5 against 0.4"),
        (champion(OWN, "rollback", OWN, True), "in service: mAP 0.5 against 0.4"),
        (champion(OTHER, "gate", OTHER, True), "bbbbbbbb stays in service; aaaaaaaa was judged before"),
        (champion(OTHER, "rollback", OTHER, True), "bbbbbbbb stays in service; aaaaaaaa was judged before"),
        (champion(None, "gate", OTHER, False), "no model is in service; aaaaaaaa was judged before"),
    ],
)
def test_whose_decision_it_is(now: dict[str, Any], said: str) -> None:
    assert decided(now, OWN).removesuffix(" (plates champions)") == said
