"""The gate between `labels` and `boxes`: every row is asked every question, and rejects keep what they broke."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from checks.pictures import Policy, divide
from checks.suites.delivery import Delivery, delivery
from checks.suites.geometry import geometry
from checks.suites.measures import measure
from checks.suites.plates import plates
from checks.suites.suite import Answer, Outcome, run, shown
from plates.ccpd.geometry import clip
from plates.ccpd.subsets import SUBSETS
from plates.errors import UserError

WHOLE = "picture_whole"
TEXTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Verdict:
    """Rows kept and set aside, and every outcome.

    Attributes:
        accepted: with the columns of `LABELS_SCHEMA`.
        rejected: with those of `REJECTED_SCHEMA`.
        outcomes: one per expectation, in the order asked.
        data_docs: the folder of Great Expectations' pages, if they were written.
    """

    accepted: pd.DataFrame
    rejected: pd.DataFrame
    outcomes: list[Outcome]
    data_docs: Path | None

    @property
    def rejected_fraction(self) -> float:
        """Share of the rows that were set aside, 0..1."""
        return len(self.rejected) / max(len(self.accepted) + len(self.rejected), 1)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were kept, cut and set aside, and how many photographs have no annotation."""
        failed = {outcome.name: outcome.failed for outcome in self.outcomes}
        labelled = int(self.accepted["class"].notna().sum())
        return {
            "accepted": labelled,
            "without an annotation": len(self.accepted) - labelled,
            "cut at the edge": failed["box_not_clipped"],
            "rejected": len(self.rejected),
            "rejected with their photograph": failed[WHOLE],
            "regions to ignore": int(self.rejected["ignored"].sum()),
        }

    def require(self, max_rejected_fraction: float) -> None:
        """Refuses to continue if too much was set aside.

        Raises:
            UserError: more than this share was set aside, or no annotation is left; with a count per expectation.
        """
        total, labelled = len(self.accepted) + len(self.rejected), self.counts["accepted"]
        if self.rejected.empty and not labelled:
            raise UserError(
                f"none of {total:,} photographs has an annotation, so there is nothing to learn. Name the annotations: "
                "plates run --set data.annotations=FILE. Or look at the labels: plates inspect data/labels.parquet"
            )
        if self.rejected_fraction <= max_rejected_fraction and labelled:
            return
        broken = sorted((o for o in self.outcomes if o.severity == "critical" and o.failed), key=lambda o: -o.failed)
        allow = f"plates run --set validation.max_rejected_fraction={np.ceil(self.rejected_fraction * 100) / 100:.2f}"
        raise UserError(
            f"{len(self.rejected):,} of {total:,} annotations ({self.rejected_fraction:.1%}) are set aside; at most "
            f"{max_rejected_fraction:.1%} may be (validation.max_rejected_fraction). Nothing goes downstream.\n"
            + "\n".join(_line(outcome) for outcome in broken)
            + "\nLook at them: plates inspect data/rejected.parquet"
            + (f" (and {self.data_docs / 'index.html'})" if self.data_docs else "")
            + "\nThen fix the delivery"
            + (f", or allow more: {allow}" if labelled else ": no annotation is left to continue with")
        )


def _line(outcome: Outcome) -> str:
    such = f", such as {', '.join(outcome.examples)}" if outcome.examples else ""
    remedy = f"\n           {outcome.remedy}" if outcome.remedy else ""
    return f"  {outcome.failed:>7,}  {outcome.name}: {outcome.means}{such}{remedy}"


def validate(
    labels: pd.DataFrame,
    previous: Delivery | None = None,
    subsets: Collection[str] = SUBSETS,
    data_docs: Path | None = None,
    *,
    edge_tolerance_px: float = 1.0,
    rejected_box: Policy = "set_aside",
    most_objects: int = 100,
) -> Verdict:
    """Checks every row of the labels table against every expectation.

    Args:
        labels: the labels table.
        previous: the last accepted delivery.
        subsets: the known names.
        data_docs: folder for Great Expectations' pages.
        edge_tolerance_px: a box that extends past the edge of its image by at most this is cut there.
        rejected_box: what to do with a photograph that has a rejected box (`checks.pictures`).
        most_objects: an image with more annotations gets a warning.

    Raises:
        UserError: the table is empty.
    """
    if labels.empty:
        raise UserError(
            "There are no annotations to validate: the labels table is empty. Look at the data: plates doctor"
        )
    labels, clipped_px = clip(labels.reset_index(drop=True), edge_tolerance_px)
    measured = measure(labels).assign(clipped_px=clipped_px)
    asked = [*delivery(subsets, previous, most_objects), *geometry(), *plates()]
    answers = run("labels", measured, asked, data_docs)
    broken = _broken(asked, answers, measured)
    beside, ignored = divide(labels, broken["broken"], rejected_box)
    said = {"broken": [WHOLE], "found": ["another box is rejected"]}
    whole = pd.DataFrame({name: [words] * len(beside) for name, words in said.items()}, beside)
    broken = pd.concat([broken, whole]).sort_index()
    reasons = {name: pd.arrays.ArrowExtensionArray(pa.array(broken[name].tolist(), TEXTS)) for name in broken}
    rejected = labels.iloc[broken.index].assign(**reasons, ignored=np.isin(broken.index, ignored))
    return Verdict(
        accepted=labels.drop(index=broken.index).reset_index(drop=True),
        rejected=rejected.reset_index(drop=True),
        outcomes=[*(answer.outcome for answer in answers), _whole(len(labels), len(beside))],
        data_docs=data_docs,
    )


def _broken(asked: Sequence[Any], answers: Sequence[Answer], measured: pd.DataFrame) -> pd.DataFrame:
    """What each rejected row breaks and which value was found there (`broken`, `found`: lists), by position."""
    pairs = [
        pd.DataFrame(
            {
                "broken": answer.outcome.name,
                "found": [shown(one.column, value) for value in measured[one.column].iloc[answer.rows].tolist()],
            },
            answer.rows,
        )
        for one, answer in zip(asked, answers, strict=True)
        if answer.outcome.severity == "critical" and len(answer.rows)
    ]
    if not pairs:
        return pd.DataFrame({"broken": [], "found": []}, np.zeros(0, np.int64))
    return pd.concat(pairs).groupby(level=0).agg(list)


def _whole(rows: int, beside: int) -> Outcome:
    return Outcome(
        name=WHOLE,
        means="no other box of the photograph is rejected, which would leave an object in it unlabelled",
        severity="critical",
        success=not beside,
        checked=rows,
        failed=beside,
        remedy="plates run --set validation.rejected_box=ignore keeps these and ignores the region of the rejected box",
    )
