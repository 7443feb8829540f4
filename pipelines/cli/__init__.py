"""The `plates` command. Each module adds the commands of one subject; heavy imports wait inside them."""

import sys

from pipelines.cli import data, lineage, machine, model, run
from pipelines.cli.app import app, complain
from plates.errors import UserError

__all__ = ["app", "data", "lineage", "machine", "main", "model", "run"]


def main() -> None:
    """Runs the command; what the user can mend is printed in words, without a traceback."""
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(1)
