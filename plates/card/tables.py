"""The card's tables as Markdown, for the UI."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from plates.card.numbers import Axis, Numbers
from plates.ccpd import provinces
from plates.columns import SPLITS


def balance(numbers: Numbers) -> str:
    """A table of each axis: its values' boxes in each split and in all, and their share."""
    return "\n\n".join(f"**{heading(axis)}**\n\n{_values(axis)}" for axis in numbers.axes) or "none"


def heading(axis: Axis) -> str:
    """The heading of the table of an axis."""
    if len(axis.values) == 1:
        return f"{axis.name}: one value"
    ratio = f"{axis.imbalance_ratio:,.{0 if axis.imbalance_ratio >= 100 else 1}f}"
    return f"{axis.name}: {len(axis.values)} values, imbalance ratio {ratio}"


def shift(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of `plates.splits.shift.compare`'s rows: this delivery against the last delivery."""
    if not rows:
        return "none: there is no earlier delivery"
    shown = [
        {
            "column": row["column"],
            "against the last delivery": "**shifted**" if row["shifted"] else "",
            "PSI": f"{row['psi']:.3f}",
            "limit": f"{row['psi_limit']:.2f}",
            "KS": "–" if pd.isna(row["ks"]) else f"{row['ks']:.3f}",
            "last delivery": row["baseline"],
            "this delivery": row["current"],
        }
        for row in rows
    ]
    return _markdown(shown, right=("PSI", "limit", "KS"))


def _values(axis: Axis) -> str:
    splits = [split for split in SPLITS if any(split in value.splits for value in axis.values)]
    rows = [
        {axis.name: provinces.LABELS.get(value.name, value.name)}
        | {split: f"{value.splits.get(split, 0):,}" for split in splits}
        | {"boxes": f"{value.boxes:,}", "share": f"{value.share:.2%}"}
        for value in axis.values
    ]
    return _markdown(rows, right=(*splits, "boxes", "share"))


def _markdown(rows: Sequence[Mapping[str, Any]], right: Collection[str]) -> str:
    table = pd.DataFrame(list(rows))
    align = ["right" if column in right else "left" for column in table]
    return table.to_markdown(index=False, colalign=align, disable_numparse=True)
