"""What Dagster shows of a Parquet table: how many rows, and its columns with their types and meanings."""

from typing import Any

import dagster as dg
import pyarrow as pa


def described(schema: pa.Schema, rows: int) -> dict[str, Any]:
    """Metadata of an asset that is a table."""
    columns = [
        dg.TableColumn(field.name, str(field.type), (field.metadata or {}).get(b"description", b"").decode() or None)
        for field in schema
    ]
    return {"dagster/row_count": rows, "dagster/column_schema": dg.TableSchema(columns)}
