"""The `plates` command. Each module adds the commands of one subject and imports heavy packages only inside them."""

import sys
from pathlib import Path

from pipelines.cli import (
    champions,
    compare,
    data,
    experiments,
    hide,
    lineage,
    machine,
    model,
    next,
    predict,
    run,
    serve,
    suspects,
    tune,
    ui,
    why,
)
from pipelines.cli.app import app, complain
from plates.errors import UserError
from plates.settings.project import Project
from stages.faults import in_words

__all__ = [
    "app",
    "champions",
    "compare",
    "data",
    "experiments",
    "hide",
    "lineage",
    "machine",
    "main",
    "model",
    "next",
    "predict",
    "run",
    "serve",
    "suspects",
    "tune",
    "ui",
    "why",
]


def main() -> None:
    """Runs the command; errors the user can fix are printed without a traceback."""
    try:
        app()
    except Exception as error:
        words = in_words(error, _root())
        if words is None:
            raise
        complain(words)
        sys.exit(1)


def _root() -> Path:
    try:
        return Project.find().root
    except UserError:
        return Path.cwd()
