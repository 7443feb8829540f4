"""How a check answers: passed, warned or failed, with a sentence, its figures, a table, and pictures if they help.

Figures are given whatever the answer, so that Dagster plots each over runs.
"""

from collections.abc import Mapping

import dagster as dg
import numpy as np
import pandas as pd

from stages.asset import DIGITS

MOST_ROWS = 50
TYPES = {"b": "bool", "i": "int", "u": "int", "f": "float"}
"""Dagster's name for a column's type, by NumPy's kind."""

Figures = Mapping[str, float | int | None]


def passed(said: str, table: dg.MetadataValue | None = None, *, figures: Figures) -> dg.AssetCheckResult:
    """A check that passed. `figures` are shown by name; None: not measured this time."""
    return dg.AssetCheckResult(passed=True, description=said, metadata=_metadata(table, None, figures))


def warned(
    said: str,
    table: dg.MetadataValue | None = None,
    pictures: dg.MetadataValue | None = None,
    *,
    figures: Figures,
) -> dg.AssetCheckResult:
    """It does not hold and is worth a look; nothing is stopped."""
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata=_metadata(table, pictures, figures),
    )


def failed(said: str, table: dg.MetadataValue | None = None, *, figures: Figures) -> dg.AssetCheckResult:
    """It does not hold, and what comes after must not run."""
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.ERROR, description=said, metadata=_metadata(table, None, figures)
    )


def rows(table: pd.DataFrame) -> dg.MetadataValue:
    """The first `MOST_ROWS` rows of a table, with its schema, in Python's own types: Dagster refuses NumPy's."""
    columns = [dg.TableColumn(str(name), TYPES.get(table[name].dtype.kind, "string")) for name in table.columns]
    kinds = {column.name: column.type for column in columns}
    records = [
        dg.TableRecord({str(name): _plain(value, kinds[str(name)]) for name, value in row.items()})
        for row in table.head(MOST_ROWS).to_dict("records")
    ]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _plain(value: object, kind: str) -> str | int | float | bool | None:
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value if isinstance(value, int) and kind != "string" else str(value)


def _metadata(
    table: dg.MetadataValue | None, pictures: dg.MetadataValue | None, figures: Figures
) -> dict[str, dg.MetadataValue]:
    plain = {name: _plain(value, "") for name, value in figures.items()}
    known = {
        name: dg.MetadataValue.float(value) if isinstance(value, float) else dg.MetadataValue.int(value)
        for name, value in plain.items()
        if isinstance(value, int | float)
    }
    return known | {name: value for name, value in (("details", table), ("pictures", pictures)) if value is not None}
