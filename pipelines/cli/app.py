"""The command line's root and how it talks."""

from collections.abc import Collection, Mapping, Sequence

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNFOLDED = 10_000
"""Columns of what is piped: no value is cut or folded there."""

app = typer.Typer(
    name="plates",
    help="Retrain an EfficientDet license-plate detector, and always know which data produced which mAP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

console = Console()
if not console.is_terminal:
    console.width = UNFOLDED


def complain(message: str) -> None:
    """Prints an error to standard error."""
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)


def say(line: str) -> None:
    """Prints a line as it is, whatever its length and its brackets."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """Prints a note to stderr; stdout is for programs."""
    Console(stderr=True, soft_wrap=True).print(message, style="dim", markup=False, highlight=False)


def print_columns(columns: Mapping[str, Sequence[str]], spare: Collection[str]) -> list[str]:
    """Prints columns without cutting a value, and returns the headings of those that were left out.

    Args:
        columns: cells by heading.
        spare: headings to leave out where the terminal is narrow, the first of them first.
    """
    left_out: list[str] = []
    table = _table(columns)
    for heading in spare:
        if Measurement.get(console, console.options.update(width=UNFOLDED), table).maximum <= console.width:
            break
        left_out.append(heading)
        table = _table({name: cells for name, cells in columns.items() if name not in left_out})
    console.print(table)
    return left_out


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading in columns:
        table.add_column(heading, no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
