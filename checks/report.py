"""How a check answers: passed, warned or failed, with a sentence, a table, and pictures where they help."""

import dagster as dg
import pandas as pd

MOST_ROWS = 50


def passed(said: str, table: dg.MetadataValue | None = None) -> dg.AssetCheckResult:
    """It holds."""
    return dg.AssetCheckResult(passed=True, description=said, metadata=_metadata(table))


def warned(
    said: str, table: dg.MetadataValue | None = None, pictures: dg.MetadataValue | None = None
) -> dg.AssetCheckResult:
    """It does not hold and is worth a look; nothing is stopped."""
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description=said, metadata=_metadata(table, pictures)
    )


def failed(said: str, table: dg.MetadataValue | None = None) -> dg.AssetCheckResult:
    """It does not hold, and what comes after must not run."""
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.ERROR, description=said, metadata=_metadata(table)
    )


def rows(table: pd.DataFrame) -> dg.MetadataValue:
    """The first rows of a table as Markdown, which saves Dagster from NumPy's scalars."""
    more = f"\n\n… and {len(table) - MOST_ROWS:,} more" if len(table) > MOST_ROWS else ""
    return dg.MetadataValue.md(table.head(MOST_ROWS).to_markdown(index=False) + more)


def _metadata(table: dg.MetadataValue | None, pictures: dg.MetadataValue | None = None) -> dict[str, dg.MetadataValue]:
    return {name: value for name, value in (("details", table), ("pictures", pictures)) if value is not None}
