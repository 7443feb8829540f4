"""Class imbalance as expectations: no value of an axis is too frequent, and none too rare next to the most frequent."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from checks.suites.suite import Outcome, between, run, warning
from plates.splits.balance import AXES

NOUNS = {
    "class": "boxes are of class {}",
    "province": "plates are from {}",
    "subset": "boxes are from {}",
    "size": "boxes cover {} of the image",
    "brightness": "plates have a brightness of {}",
}


class Balance(BaseModel):
    """The imbalance of one axis, in figures and in words."""

    axis: str
    counts: dict[str, int]
    largest_share: float
    imbalance_ratio: float
    success: bool
    sentence: str


def imbalance(
    counts: pd.DataFrame,
    max_share: float,
    max_ratio: float,
    classes: Collection[str] = (),
    data_docs: Path | None = None,
) -> list[Balance]:
    """Checks how balanced the labelled rows of the boxes table are on each axis; axes without values are left out.

    Args:
        counts: `plates.splits.balance.distribution` of the boxes table.
        max_share: the largest share that one value may have, 0..1; not checked if there is only one class or subset.
        max_ratio: how many times as many boxes the most frequent value may have as the rarest one present.
        classes: all classes; those without a box are named.
        data_docs: the folder for Great Expectations' pages.
    """
    axes = [axis for axis in AXES if (counts["axis"] == axis).any()]
    if not axes:
        return []
    measured = {}
    for axis in axes:
        of_axis = counts[counts["axis"] == axis]
        only = len(of_axis) < 2 and (axis == "subset" or (axis == "class" and len(classes) < 2))
        measured[f"{axis}_share"] = [None if only else of_axis["share"].max()]
        measured[f"{axis}_ratio"] = [of_axis["count"].max() / of_axis["count"].min()]
    absent = [name for name in classes if name not in set(counts[counts["axis"] == "class"]["value"])]
    measured["class_absent"] = [len(absent)]
    outcomes = _ask(pd.DataFrame(measured, dtype="float64"), axes, max_share, max_ratio, data_docs)
    balances = [
        _balance(
            counts[counts["axis"] == axis],
            outcomes[f"{axis}_share"],
            outcomes[f"{axis}_ratio"],
            max_share,
            max_ratio,
        )
        for axis in axes
    ]
    if outcomes["class_absent"].success:
        return balances
    said = f"; {len(absent)} of {len(classes)} classes have no box: {', '.join(absent)}"
    first = balances[0].model_copy(update={"success": False, "sentence": balances[0].sentence + said})
    return [first, *balances[1:]]


def _ask(
    measured: pd.DataFrame, axes: list[str], max_share: float, max_ratio: float, data_docs: Path | None
) -> dict[str, Outcome]:
    asked = [between("class_absent", warning("class_absent", "every class has a box"), high=0)]
    for axis in axes:
        share, ratio = f"{axis}_share", f"{axis}_ratio"
        asked += [
            between(share, warning(share, f"no {axis} has over {max_share:.0%} of the boxes"), high=max_share),
            between(
                ratio,
                warning(ratio, f"the most frequent {axis} has at most {max_ratio:g} times as many as the rarest"),
                high=max_ratio,
            ),
        ]
    return {answer.outcome.name: answer.outcome for answer in run("balance", measured, asked, data_docs)}


def _balance(counts: pd.DataFrame, share: Outcome, ratio: Outcome, max_share: float, max_ratio: float) -> Balance:
    axis, most, least = str(counts["axis"].iloc[0]), counts.iloc[0], counts.iloc[-1]
    times = float(most["count"] / least["count"])
    said = f"{most['share']:.0%} of {NOUNS[axis].format(most['value'])}"
    if not share.success:
        said += f" (over {max_share:.0%})"
    if len(counts) > 1:
        said += f"; {times:,.0f} times as many as {least['value']}, which has {least['count']:,}"
    if not ratio.success:
        said += f" (over {max_ratio:g} times)"
    return Balance(
        axis=axis,
        counts=dict(zip(counts["value"].tolist(), counts["count"].tolist(), strict=True)),
        largest_share=float(most["share"]),
        imbalance_ratio=times,
        success=share.success and ratio.success,
        sentence=said,
    )
