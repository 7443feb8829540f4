"""docs/reliability.md: what it says of each situation is what a test shows."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs/reliability.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and "`tests/" in line
]


@cache
def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_names_tests_that_exist(row: list[str]) -> None:
    situation, happens, shown = row
    assert situation
    assert happens
    names = re.findall(r"`(tests/\S+\.py)::(\w+)`", shown)
    assert names
    for file, name in names:
        assert name.startswith("test_")
        assert name in functions(ROOT / file), f"{file} has no {name}"


def test_no_situation_is_there_twice() -> None:
    situations = [row[0] for row in ROWS]
    assert len(set(situations)) == len(situations)


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) >= 120
