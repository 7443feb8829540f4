"""Checks answer in types that Dagster takes: figures by name, tables with their schema."""

import dagster as dg
import numpy as np
import pandas as pd

from checks.report import MOST_ROWS, failed, passed, rows, warned


def test_figures_come_with_every_answer_and_none_is_left_out() -> None:
    figures = {
        "images": np.int64(3),
        "largest difference": np.float64(0.123456),
        "smallest": 1.23456e-7,
        "unknown": float("nan"),
        "none": None,
    }

    for answer in (passed("", figures=figures), warned("", figures=figures), failed("", figures=figures)):
        assert answer.metadata == {
            "images": dg.MetadataValue.int(3),
            "largest difference": dg.MetadataValue.float(0.1235),
            "smallest": dg.MetadataValue.float(1.235e-7),
        }


def test_a_table_has_a_schema_and_plain_values() -> None:
    table = pd.DataFrame(
        {
            "name": ["a", None],
            "count": [1, 2],
            "share": [0.123456, np.nan],
            "held": [True, False],
            "pairs": [[1, 2], []],
        }
    )

    value = rows(table)

    assert isinstance(value, dg.TableMetadataValue)
    types = {column.name: column.type for column in value.schema.columns}
    assert types == {"name": "string", "count": "int", "share": "float", "held": "bool", "pairs": "string"}
    assert [record.data for record in value.records] == [
        {"name": "a", "count": 1, "share": 0.1235, "held": True, "pairs": "[1, 2]"},
        {"name": None, "count": 2, "share": None, "held": False, "pairs": "[]"},
    ]


def test_only_the_first_rows_are_shown() -> None:
    value = rows(pd.DataFrame({"n": range(MOST_ROWS + 1)}))

    assert isinstance(value, dg.TableMetadataValue)
    assert len(value.records) == MOST_ROWS
