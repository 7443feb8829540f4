"""The gate between `labels` and `boxes`: every row is asked every question, and rejects keep what they broke."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from checks.pictures import Policy, divide
from checks.suites.delivery import Delivery, delivery, size
from checks.suites.geometry import geometry
from checks.suites.measures import measure
from checks.suites.plates import plates
from checks.suites.suite import Answer, Outcome, Suite, shown, together
from checks.whole import Whole, survey
from plates.ccpd.geometry import clip
from plates.ccpd.subsets import SUBSETS
from plates.errors import UserError

WHOLE = "picture_whole"
TEXTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Judgement:
    """What became of the rows of a delivery, and every outcome.

    Attributes:
        labelled: rows kept, with an annotation.
        negatives: rows kept, without one.
        set_aside: rows set aside.
        ignored: those of them that are regions to ignore.
        outcomes: one per expectation, in the order asked.
        data_docs: the folder of Great Expectations' pages, if they were written.
    """

    labelled: int
    negatives: int
    set_aside: int
    ignored: int
    outcomes: list[Outcome]
    data_docs: Path | None

    @property
    def rejected_fraction(self) -> float:
        """Share of the rows that were set aside, 0..1."""
        return self.set_aside / max(self.rows, 1)

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self.labelled + self.negatives + self.set_aside

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were kept, cut and set aside, and how many photographs have no annotation."""
        failed = {outcome.name: outcome.failed for outcome in self.outcomes}
        return {
            "accepted": self.labelled,
            "without an annotation": self.negatives,
            "cut at the edge": failed["box_not_clipped"],
            "rejected": self.set_aside,
            "rejected with their photograph": failed[WHOLE],
            "regions to ignore": self.ignored,
        }

    def require(self, max_rejected_fraction: float) -> None:
        """Refuses to continue if too much was set aside.

        Raises:
            UserError: more than this share was set aside, or no annotation is left; with a count per expectation.
        """
        if not self.set_aside and not self.labelled:
            raise UserError(
                f"none of {self.rows:,} photographs has an annotation, so there is nothing to learn. Name the "
                "annotations: plates run --set data.annotations=FILE. Or look at the labels: plates inspect "
                "data/labels.parquet"
            )
        if self.rejected_fraction <= max_rejected_fraction and self.labelled:
            return
        broken = sorted((o for o in self.outcomes if o.severity == "critical" and o.failed), key=lambda o: -o.failed)
        allow = f"plates run --set validation.max_rejected_fraction={np.ceil(self.rejected_fraction * 100) / 100:.2f}"
        raise UserError(
            f"{self.set_aside:,} of {self.rows:,} annotations ({self.rejected_fraction:.1%}) are set aside; at most "
            f"{max_rejected_fraction:.1%} may be (validation.max_rejected_fraction). Nothing goes downstream.\n"
            + "\n".join(_line(outcome) for outcome in broken)
            + "\nLook at them: plates inspect data/rejected.parquet"
            + (f" (and {self.data_docs / 'index.html'})" if self.data_docs else "")
            + "\nThen fix the delivery"
            + (f", or allow more: {allow}" if self.labelled else ": no annotation is left to continue with")
        )


def _line(outcome: Outcome) -> str:
    such = f", such as {', '.join(outcome.examples)}" if outcome.examples else ""
    remedy = f"\n           {outcome.remedy}" if outcome.remedy else ""
    return f"  {outcome.failed:>7,}  {outcome.name}: {outcome.means}{such}{remedy}"


@dataclass(frozen=True)
class Verdict(Judgement):
    """The judgement of one table.

    Attributes:
        accepted: with the columns of `LABELS_SCHEMA`.
        rejected: with those of `REJECTED_SCHEMA`.
    """

    accepted: pd.DataFrame
    rejected: pd.DataFrame


class Gate:
    """Checks every row of a labels table against every expectation, a part of the table at a time.

    Args:
        whole: what is known of the whole table.
        previous: the last accepted delivery.
        subsets: the known names.
        edge_tolerance_px: a box that extends past the edge of its image by at most this is cut there.
        rejected_box: what to do with a photograph that has a rejected box (`checks.pictures`).
        most_objects: an image with more annotations gets a warning.
    """

    def __init__(
        self,
        whole: Whole,
        previous: Delivery | None = None,
        subsets: Collection[str] = SUBSETS,
        *,
        edge_tolerance_px: float = 1.0,
        rejected_box: Policy = "set_aside",
        most_objects: int = 100,
    ) -> None:
        self.whole, self.tolerance, self.policy = whole, edge_tolerance_px, rejected_box
        self.suite = Suite("labels", [*delivery(subsets, most_objects), *geometry(), *plates()])
        self.of_size = Suite("size", size(previous), beside=self.suite) if previous else None
        self.parts: list[list[Outcome]] = []
        self.rows: Counter[str] = Counter()

    def judge(self, labels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Of a part with whole photographs: the accepted rows (`LABELS_SCHEMA`), the rejected (`REJECTED_SCHEMA`)."""
        labels, clipped_px = clip(labels.reset_index(drop=True), self.tolerance)
        measured = measure(labels, self.whole.shared).assign(clipped_px=clipped_px)
        answers = self.suite.ask(measured)
        broken = _broken(self.suite.asked, answers, measured)
        beside, ignored = divide(labels, broken["broken"], self.policy)
        said = {"broken": [WHOLE], "found": ["another box is rejected"]}
        whole = pd.DataFrame({name: [words] * len(beside) for name, words in said.items()}, beside)
        broken = pd.concat([broken, whole]).sort_index()
        reasons = {name: pd.arrays.ArrowExtensionArray(pa.array(broken[name].tolist(), TEXTS)) for name in broken}
        rejected = labels.iloc[broken.index].assign(**reasons, ignored=np.isin(broken.index, ignored))
        accepted = labels.drop(index=broken.index)
        self.parts.append([*(answer.outcome for answer in answers), _whole(len(labels), len(beside))])
        labelled = int(accepted["class"].notna().sum())
        self.rows["labelled"] += labelled
        self.rows["negatives"] += len(accepted) - labelled
        self.rows["set_aside"] += len(rejected)
        self.rows["ignored"] += len(ignored)
        return accepted.reset_index(drop=True), rejected.reset_index(drop=True)

    def judgement(self, data_docs: Path | None = None) -> Judgement:
        """The judgement of all parts; with Great Expectations' pages in the folder `data_docs`."""
        outcomes = [together(of_all) for of_all in zip(*self.parts, strict=True)]
        if self.of_size:
            outcomes += [answer.outcome for answer in self.of_size.ask(self.whole.size.table())]
        if data_docs is not None:
            self.suite.write_pages(data_docs, outcomes)
        rows = {name: self.rows[name] for name in ("labelled", "negatives", "set_aside", "ignored")}
        return Judgement(**rows, outcomes=outcomes, data_docs=data_docs)


def validate(
    labels: pd.DataFrame,
    previous: Delivery | None = None,
    subsets: Collection[str] = SUBSETS,
    data_docs: Path | None = None,
    **options: Any,
) -> Verdict:
    """The verdict of a `Gate`, which has the other `options`, on a labels table that is in memory.

    Raises:
        UserError: the table is empty.
    """
    gate = Gate(survey(lambda: [labels]), previous, subsets, **options)
    accepted, rejected = gate.judge(labels)
    return Verdict(**vars(gate.judgement(data_docs)), accepted=accepted, rejected=rejected)


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
