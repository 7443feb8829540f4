"""The gate between `labels` and `boxes`: every row is asked every question, and rejects keep what they broke."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from checks.suites.delivery import Delivery, delivery
from checks.suites.geometry import geometry
from checks.suites.measures import measure
from checks.suites.plates import plates
from checks.suites.suite import Answer, Outcome, run
from plates.ccpd.subsets import SUBSETS
from plates.errors import UserError


@dataclass(frozen=True)
class Verdict:
    """Rows kept and set aside, and every outcome.

    Attributes:
        accepted: in the labels' columns.
        rejected: likewise, and `broken`, the names of the critical expectations that the row breaks.
        outcomes: of every expectation, in the order of asking.
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

    def require(self, max_rejected_fraction: float) -> None:
        """Raises `UserError`, with a count for each expectation, if more than this share was set aside."""
        if self.rejected_fraction <= max_rejected_fraction:
            return
        broken = sorted((o for o in self.outcomes if o.severity == "critical" and o.failed), key=lambda o: -o.failed)
        total = len(self.accepted) + len(self.rejected)
        raise UserError(
            f"{len(self.rejected):,} of {total:,} annotations ({self.rejected_fraction:.1%}) break what must "
            f"hold; at most {max_rejected_fraction:.1%} may (validation.max_rejected_fraction). "
            "Nothing goes downstream.\n"
            + "\n".join(f"  {outcome.failed:>7,}  {outcome.name}: {outcome.means}" for outcome in broken)
            + "\nLook at them: plates inspect data/rejected.parquet"
            + (f" (and {self.data_docs / 'index.html'})" if self.data_docs else "")
            + "\nThen fix the delivery, or allow more: plates run --set validation.max_rejected_fraction="
            + f"{np.ceil(self.rejected_fraction * 100) / 100:.2f}"
        )


def validate(
    labels: pd.DataFrame,
    previous: Delivery | None = None,
    subsets: Collection[str] = SUBSETS,
    data_docs: Path | None = None,
) -> Verdict:
    """Asks every row of the labels table every question of the families.

    Args:
        labels: the table.
        previous: the last accepted delivery.
        subsets: the names that are known.
        data_docs: the folder for Great Expectations' pages.

    Raises:
        UserError: the table has no rows.
    """
    if labels.empty:
        raise UserError(
            "There are no annotations to validate: the labels table is empty. Look at the data: plates doctor"
        )
    asked = [*delivery(subsets, previous), *geometry(), *plates()]
    answers = run("labels", measure(labels), asked, data_docs)
    broken = _broken(answers, len(labels))
    rejects = broken.notna().to_numpy()
    reasons = pa.array(broken[rejects].tolist(), pa.list_(pa.string()))
    return Verdict(
        accepted=labels[~rejects].reset_index(drop=True),
        rejected=labels[rejects].assign(broken=pd.arrays.ArrowExtensionArray(reasons)).reset_index(drop=True),
        outcomes=[answer.outcome for answer in answers],
        data_docs=data_docs,
    )


def _broken(answers: list[Answer], rows: int) -> pd.Series:
    """The names of the critical expectations that each row breaks; null where it breaks none."""
    names = [answer.outcome.name for answer in answers if answer.outcome.severity == "critical"]
    where = [answer.rows for answer in answers if answer.outcome.severity == "critical"]
    row = np.concatenate(where)
    name = np.repeat(np.asarray(names, object), [len(each) for each in where])
    return pd.Series(name).groupby(row).agg(list).reindex(np.arange(rows))
