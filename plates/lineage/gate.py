"""The gate between a newly scored model and service: a model worse than the best by more than chance is refused."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plates.errors import UserError
from plates.metrics import measured

WHOLE = "all"
CONFIDENCE = 0.95
FEWEST = 100
"""Groups of photographs (plates) needed to judge a slice."""
_SHOWN = 3
DISAGREES = "the exported model does not give the checkpoint's numbers"


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes the champion's place, why, in words with figures, and on what evidence.

    `evidence` are rows of `plates.scoring.by_slice.paired` for the figure that decides, the whole first, with
    `least_loss`: what remains of the difference when chance is given its due. Of masks only the difference is known.
    """

    promoted: bool
    reason: str
    evidence: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Rule:
    """The gate's criteria.

    Attributes:
        metric: the figure that decides, larger is better.
        min_value: below it nothing is promoted.
        margin: how much worse than the best model a challenger may be.
    """

    metric: str
    min_value: float
    margin: float


def decide(
    challenger: Mapping[str, Any], paired: pd.DataFrame | None, rule: Rule, *, best: str | None, agrees: bool
) -> Decision:
    """Judges a challenger against the best model that was in service.

    It is refused if it is worse by more than the margin beyond chance, one-sided at 95%: over all photographs, or in
    a slice with at least `FEWEST` plates. The draws of a difference are taken as normal.

    Args:
        challenger: its metrics.
        paired: `plates.scoring.by_slice.paired` of best and challenger on the same photographs; None if none is in
            service.
        rule: the figure and the limits.
        best: what to call the best model in words.
        agrees: whether the export gives the checkpoint's numbers.

    Raises:
        UserError: one of them was not measured by that figure, such as mAP without a detection head.
    """
    if not agrees:
        return Decision(False, DISAGREES)
    if (short := _short(challenger, rule)) or paired is None:
        return short or Decision(True, _first(challenger, rule))
    rows = evidence(paired, rule.metric)
    if rows.empty:
        raise _not_comparable(rule, best)
    whole = rows.iloc[0]
    unknown = math.isnan(whole["low"])
    chance = "too few plates to know the chance" if unknown else f"{whole['low']:+.3f} to {whole['high']:+.3f}"
    against = (
        f"{rule.metric} {whole['second']:.3f} against {whole['first']:.3f} of {best} on the same {whole['images']:,} "
        f"photographs, a difference of {whole['difference']:+.3f} ({chance})"
    )
    lost = rows[rows["least_loss"] < -rule.margin]
    if lost.empty:
        return Decision(True, against, _records(rows))
    where = "; ".join(
        f"overall by at least {-row['least_loss']:.3f}"
        if row["dimension"] == WHOLE
        else f"where {row['dimension']} is {row['slice']} by at least {-row['least_loss']:.3f} "
        f"({row['second']:.3f} against {row['first']:.3f}, {row['images']:,} photographs)"
        for _, row in lost.head(_SHOWN).iterrows()
    )
    more = f" and in {len(lost) - _SHOWN} more slices" if len(lost) > _SHOWN else ""
    beyond = "" if unknown else "chance and "
    return Decision(
        False, f"{against}; worse beyond {beyond}gate.margin {rule.margin:g}: {where}{more}", _records(rows)
    )


def evidence(paired: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of `paired` that are judged, the whole first, with `least_loss`: the one-sided bound nearest to 0.

    A difference whose draws do not vary is taken as it is.
    """
    from scipy import stats

    rows = paired[(paired["figure"] == metric) & paired["difference"].notna()]
    rows = rows[(rows["dimension"] == WHOLE) | (rows["groups"] >= FEWEST)].reset_index(drop=True)
    deviation = (rows["high"] - rows["low"]).fillna(0) / (2 * stats.norm.ppf(0.975))
    return rows.assign(least_loss=rows["difference"] + stats.norm.ppf(CONFIDENCE) * deviation)


def decide_by_figure(
    challenger: Mapping[str, Any], champion: Mapping[str, Any], rule: Rule, *, best: str, agrees: bool
) -> Decision:
    """The same for a figure without detections to draw from: the IoU of masks. Only the margin allows for chance.

    Args:
        challenger: its metrics.
        champion: those of the best model that was in service, on the same photographs.
        rule: the figure and the limits.
        best: what to call the best model in words.
        agrees: whether the export gives the checkpoint's numbers.

    Raises:
        UserError: one of them was not measured by that figure.
    """
    if not agrees:
        return Decision(False, DISAGREES)
    new = figure(challenger, rule.metric)
    if short := _short(challenger, rule):
        return short
    if champion.get(rule.metric) is None:
        raise _not_comparable(rule, best)
    old = float(champion[rule.metric])
    said = f"{rule.metric} {new:.3f} against {old:.3f} of {best}"
    row = {"dimension": WHOLE, "slice": WHOLE, "first": old, "second": new, "difference": new - old}
    return Decision(new >= old - rule.margin, said, [row])


def _not_comparable(rule: Rule, best: str | None) -> UserError:
    return UserError(
        f"gate.metric is {rule.metric}, by which {best}, the best model in service, was not measured. "
        f"{new_bar('another figure')}"
    )


def new_bar(because: str) -> str:
    """How to go on if nothing compares the new model with the best one."""
    return (
        "To put the new one in service, and compare later ones with it: "
        f"plates promote ID --new-bar --because '{because}' (plates lineage lists the ids)"
    )


def _first(challenger: Mapping[str, Any], rule: Rule) -> str:
    return f"{rule.metric} {figure(challenger, rule.metric):.3f}; the first model in service"


def _short(challenger: Mapping[str, Any], rule: Rule) -> Decision | None:
    """The refusal of a model that is below what any model must reach."""
    new = figure(challenger, rule.metric)
    if new >= rule.min_value:
        return None
    return Decision(False, f"{rule.metric} {new:.3f} is below gate.min_value, {rule.min_value:.3f}")


def figure(metrics: Mapping[str, Any], metric: str) -> float:
    """The figure that decides; raises `UserError` if the model was not measured by it."""
    if metrics.get(metric) is None:
        raise UserError(
            f"gate.metric is {metric}, but the model was measured by {', '.join(measured(metrics)) or 'nothing'}. "
            "Set gate.metric to a figure it has: plates run --set gate.metric=NAME"
        )
    return float(metrics[metric])


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    shown = rows[
        ["dimension", "slice", "images", "groups", "first", "second", "difference", "low", "high", "least_loss"]
    ]
    return [
        {key: None if isinstance(value, float) and value != value else value for key, value in row.items()}
        for row in shown.astype(object).to_dict("records")
    ]
