"""The root of the command line, and how it prints."""

from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from plates.errors import UserError

UNFOLDED = 10_000
"""Width of piped output, so that no value is cut or wrapped."""

SHOWN = 3
"""Photographs that are left out, with the reason."""

ELSEWHERE = {
    "train": "plates run trains and does everything after; plates materialize checkpoint only trains",
    "val": "plates materialize evaluation scores models/checkpoint on the project's photographs",
    "export": "plates materialize exported_model exports models/checkpoint",
    "detect": "plates predict PHOTO.jpg",
    "test": "plates materialize evaluation scores the model; make test runs the project's tests",
}
"""What to use for the commands that other detectors have."""


class Commands(typer.core.TyperGroup):
    """A group of commands that names the equivalent of other detectors' commands, and shows no type after a flag."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The requested command."""
        if args[0] in ELSEWHERE and self.get_command(ctx, args[0]) is None:
            raise UserError(f"`plates {args[0]}` is not a command: {ELSEWHERE[args[0]]}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None if there is none."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _untyped(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> Any:
        """The group's own options."""
        return _untyped(super().get_params(ctx))


def _untyped(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


app = typer.Typer(
    name="plates",
    cls=Commands,
    help="Retrain an EfficientDet license-plate detector, and always know which data produced which mAP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

console = Console()
if not console.is_terminal:
    console.width = UNFOLDED


def _version(wanted: bool) -> None:
    if wanted:
        print(f"plates {metadata.version('plates')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The root of all commands."""


def complain(message: str) -> None:
    """Prints an error to standard error."""
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)


def say(line: str) -> None:
    """Prints a line unchanged: neither wrapped nor read as markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """Prints a note to stderr; stdout is for programs."""
    Console(stderr=True, soft_wrap=True).print(message, style="dim", markup=False, highlight=False)


def note_left_out(reasons: Mapping[str, str], total: int) -> None:
    """Says how many of `total` photographs are not scored, and of the first few why.

    Args:
        reasons: path to reason.
        total: photographs, with these.
    """
    for path, reason in islice(reasons.items(), SHOWN):
        note(f"left out: {reason if path in reason else f'{path}: {reason}'}")
    if reasons:
        first = f", the first {SHOWN} of them named above" if len(reasons) > SHOWN else ""
        note(f"{len(reasons):,} of {total:,} photographs are left out{first}")


def require_ordinary(path: Path) -> None:
    """Refuses a pipe, a socket or a device: opening it could wait for ever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is neither a file nor a folder")


def print_columns(columns: Mapping[str, Sequence[str]], spare: Collection[str]) -> list[str]:
    """Prints columns without cutting values, and returns the headings of columns left out.

    Args:
        columns: cells by heading.
        spare: headings to leave out in a narrow terminal, in this order.
    """
    left_out: list[str] = []
    table = _table(columns)
    for heading in (known for known in spare if known in columns):
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
