"""Which formats of fewer bits are kept."""

import pytest
from pydantic import ValidationError

from plates.efficientdet.config import ExportConfig
from plates.efficientdet.inference.fewer_bits import Outcome


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (Outcome(0.004, 3.0, 5.0), True),
        (Outcome(-0.01, 3.0, 5.0), True),
        (Outcome(0.02, 3.0, 5.0), False),
        (Outcome(0.0, 5.0, 5.0), False),
        (Outcome(float("nan"), 3.0, 5.0), False),
    ],
)
def test_it_has_to_be_faster_and_to_lose_little(outcome: Outcome, kept: bool) -> None:
    assert outcome.kept(0.005) == kept


def test_both_figures_are_said() -> None:
    assert str(Outcome(0.0213, 4.1, 3.9)) == "0.0213 mAP lost on validation, 4.10 ms per picture, 3.90 in float"


def test_a_model_has_a_format_that_cannot_be_refused() -> None:
    with pytest.raises(ValidationError, match="name one of saved_model, onnx, litert, openvino too"):
        ExportConfig(formats=["litert_int8"])
