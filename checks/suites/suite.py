"""Runs Great Expectations over a table and gives the outcome in plain types.

The families of questions (`geometry`, `plates`, `delivery`, `imbalance`, `splits`) are lists of expectations on
measured columns. An expectation carries its own name, what it means in words, and its severity: `critical`
sets the row aside, `warning` is shown. Great Expectations takes six seconds to import, so only functions
import it, through `expectations()`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel

from plates.files import atomic
from plates.pages import page

Severity = Literal["critical", "warning"]

THEIRS = "great_expectations.html"
"""Great Expectations' own index."""

EXAMPLES = 3
"""Of what was found where an expectation does not hold."""

UNITS = {"_px": " px", "_deg": " degrees"}
"""Unit by the suffix of a measure's name."""


class Outcome(BaseModel):
    """The outcome of one expectation."""

    name: str
    means: str
    severity: Severity
    success: bool
    checked: int
    failed: int
    observed: float | int | str | None = None
    examples: list[str] = []
    remedy: str | None = None

    def sentence(self) -> str:
        """The outcome in a sentence, with its figures."""
        seen = f"; observed {self.observed}" if self.observed is not None else ""
        such = f", such as {', '.join(self.examples)}" if self.examples else ""
        count = (
            f"{self.failed:,} of {self.checked:,} do not"
            if self.failed
            else "holds"
            if self.success
            else "does not hold"
        )
        return f"{self.name}: {self.means}: {count}{seen}{such}"


@dataclass(frozen=True)
class Answer:
    """An outcome with the positions (0-based rows of the table) that broke it."""

    outcome: Outcome
    rows: np.ndarray


def expectations() -> ModuleType:
    """Great Expectations' catalogue of expectations, imported without its usage statistics."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations.expectations as gxe

    return gxe


def critical(name: str, means: str, remedy: str | None = None) -> dict[str, Any]:
    """The keywords of an expectation that sets a row aside; `remedy` says what helps besides a better delivery."""
    return {"severity": "critical", "notes": means, "meta": {"name": name, "remedy": remedy}}


def warning(name: str, means: str) -> dict[str, Any]:
    """The keywords of an expectation that only warns."""
    return {"severity": "warning", "notes": means, "meta": {"name": name}}


def between(
    column: str, kind: dict[str, Any], *, low: float | None = None, high: float | None = None, strict_min: bool = False
) -> Any:
    """The expectation, of the `kind` of `critical` or `warning`, that a measure is `low` (or more) to `high`."""
    expectation = expectations().ExpectColumnValuesToBeBetween
    return expectation(column=column, min_value=low, max_value=high, strict_min=strict_min, **kind)


class Suite:
    """Expectations that tables are checked against, one table after the other.

    Args:
        name: of the suite.
        asked: the expectations.
        beside: another suite, whose pages show what this one finds too.
    """

    def __init__(self, name: str, asked: Sequence[Any], beside: "Suite | None" = None) -> None:
        expectations()
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self.name, self.asked = name, asked
        self.context: Any = beside.context if beside else gx.get_context(mode="ephemeral")
        self.context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = self.context.data_sources.add_pandas(name)
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = self.context.suites.add(gx.ExpectationSuite(name=name, expectations=list(asked)))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        self.definition = self.context.validation_definitions.add(definition)

    def ask(self, table: pd.DataFrame) -> list[Answer]:
        """One answer to each expectation, in order.

        Raises:
            RuntimeError: one cannot be computed; with Great Expectations' message.
        """
        result = self.definition.run(
            batch_parameters={"dataframe": table.reset_index(drop=True)},
            result_format={"result_format": "COMPLETE", "include_unexpected_rows": False},
        )
        by_name = {answer.outcome.name: answer for answer in map(_answer, result.results)}
        return [by_name[expectation.meta["name"]] for expectation in self.asked]

    def write_pages(self, folder: Path, outcomes: list[Outcome]) -> None:
        """Replaces `folder` by pages on what was asked: the outcomes (`index.html`) and Great Expectations' own.

        They contain the time of the run, so their bytes differ from run to run.
        """
        _write_pages(self.context, folder, f"Great Expectations: {self.name}", outcomes)


def run(name: str, table: pd.DataFrame, asked: Sequence[Any], data_docs: Path | None = None) -> list[Answer]:
    """Checks `table` against every expectation in `asked`, with `Suite.write_pages` in the folder `data_docs`."""
    suite = Suite(name, asked)
    answers = suite.ask(table)
    if data_docs is not None:
        suite.write_pages(data_docs, [answer.outcome for answer in answers])
    return answers


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of one expectation on all rows, from those on parts of them."""
    examples = list(dict.fromkeys(example for outcome in outcomes for example in outcome.examples))
    return outcomes[0].model_copy(
        update={
            "success": all(outcome.success for outcome in outcomes),
            "checked": sum(outcome.checked for outcome in outcomes),
            "failed": sum(outcome.failed for outcome in outcomes),
            "examples": examples[:EXAMPLES],
        }
    )


def shown(column: str, value: object) -> str:
    """A measured value in words, with the unit from the measure's name."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    unit = next((unit for ending, unit in UNITS.items() if column.endswith(ending)), "")
    return text + unit


def _answer(item: Any) -> Answer:
    """Great Expectations' result, with NumPy scalars made Python's: Dagster and JSON refuse them."""
    config, result = item.expectation_config, item.result
    if item.exception_info and item.exception_info.get("raised_exception") is not False:
        raise RuntimeError(f"{config.meta['name']} could not be computed: {item.exception_info}")
    observed = result.get("observed_value")
    if isinstance(observed, np.generic):
        observed = observed.item()
    if not isinstance(observed, int | float | str | None):
        observed = ", ".join(map(str, observed))
    outcome = Outcome(
        name=config.meta["name"],
        means=config.notes,
        severity=config.severity.value,
        success=bool(item.success),
        checked=int(result.get("element_count", 0)) - int(result.get("missing_count", 0)),
        failed=int(result.get("unexpected_count", 0)),
        observed=observed,
        examples=list(
            dict.fromkeys(shown(config.kwargs["column"], value) for value in result.get("partial_unexpected_list", []))
        )[:EXAMPLES],
        remedy=config.meta.get("remedy"),
    )
    return Answer(outcome, np.asarray(result.get("unexpected_index_list") or [], np.int64))


def _write_pages(context: Any, folder: Path, title: str, outcomes: list[Outcome]) -> None:
    """Great Expectations' pages, with our index instead of theirs, which is empty without a network."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.success)
    with atomic(folder) as temporary:
        for site in list(context.get_site_names()):
            context.delete_data_docs_site(site)
        context.add_data_docs_site(
            "pages",
            {
                "class_name": "SiteBuilder",
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(temporary),
                },
            },
        )
        context.build_data_docs(site_names=["pages"])
        index = temporary / "index.html"
        index.rename(temporary / THEIRS)
        page.write(index, "checks.suites", "outcomes.html.j2", title=title, outcomes=outcomes, theirs=THEIRS)
