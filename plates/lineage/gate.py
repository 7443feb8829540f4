"""The gate between a freshly scored model and the one in service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plates.errors import UserError

METRICS = ("mAP", "mAP50", "mAP75", "ccpd_score", "mask_iou")


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes the champion's place, and why, in words with figures."""

    promoted: bool
    reason: str
    challenger: float
    champion: float | None


def decide(
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
    *,
    metric: str,
    min_value: float,
    tolerance: float,
    rescore: Callable[[], Mapping[str, Any]],
) -> Decision:
    """Compares two evaluations on the challenger's test set.

    Args:
        challenger: `metrics` and `test_set` (a hash of the test photographs and boxes) of the new model.
        champion: the same of the one in service; None where there is none.
        metric: the figure that decides, larger is better.
        min_value: below it nothing is promoted.
        tolerance: how far below the champion the challenger may be.
        rescore: gives the champion's metrics on the challenger's test set; called only where the champion was scored
            on another one, since figures of two test sets say nothing about each other.

    Raises:
        UserError: one of the two was not measured by `metric`, as mAP without a detection head.
    """
    new = _figure(challenger["metrics"], metric, "the new model")
    if new < min_value:
        return Decision(False, f"{metric} {new:.3f} is below the least allowed, {min_value:.3f}", new, None)
    if champion is None:
        return Decision(True, f"{metric} {new:.3f}; the first model in service", new, None)
    same = champion["test_set"] == challenger["test_set"]
    old = _figure(champion["metrics"] if same else rescore(), metric, "the champion")
    on = "the same test set" if same else "this test set, where the champion was scored again"
    if new < old - tolerance:
        return Decision(False, f"{metric} {new:.3f} against the champion's {old:.3f} on {on}", new, old)
    return Decision(True, f"{metric} {new:.3f} against the champion's {old:.3f} on {on}", new, old)


def _figure(metrics: Mapping[str, Any], metric: str, whose: str) -> float:
    if metrics.get(metric) is None:
        known = [name for name in METRICS if metrics.get(name) is not None]
        raise UserError(
            f"gate.metric is {metric}, and {whose} has none: it was measured by {', '.join(known) or 'nothing'}. Set "
            "gate.metric to a figure that both models have, or remove models/champion.json to start anew"
        )
    return float(metrics[metric])
