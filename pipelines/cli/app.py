"""The command line's root and how it talks."""

import typer
from rich.console import Console

app = typer.Typer(
    name="plates",
    help="Retrain an EfficientDet license-plate detector, and always know which data produced which mAP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

console = Console()


def complain(message: str) -> None:
    """Prints an error to standard error."""
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)
