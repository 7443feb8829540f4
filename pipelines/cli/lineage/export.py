"""`plates lineage export`: a record in other tools' formats."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import say
from pipelines.cli.lineage.overview import RecordId, commands
from plates.errors import UserError
from plates.lineage import record as records
from plates.lineage.exports import croissant as croissants
from plates.lineage.exports import mlflow as mlflows
from plates.lineage.exports import openlineage as openlineages
from plates.settings.project import Project


@commands.command()
def export(
    record: RecordId,
    openlineage: Annotated[str | None, typer.Option(help="A file for the events, or http://HOST:PORT.")] = None,
    croissant: Annotated[Path | None, typer.Option(help="A folder for the data set's description.")] = None,
    mlflow: Annotated[str | None, typer.Option(help="MLflow's tracking URI, such as sqlite:///mlflow.db.")] = None,
) -> None:
    """Write a record as OpenLineage events, as a Croissant description of its data set, or as a run in MLflow."""
    root = Project.find().root
    found = records.find(root, record)
    if not (openlineage or croissant or mlflow):
        raise UserError("name a format: --openlineage FILE, --croissant FOLDER or --mlflow URI")
    if openlineage:
        say(f"{openlineages.write(found, openlineage)} OpenLineage events: {openlineage}")
    if croissant:
        croissants.write(root, found, croissant)
        say(f"Croissant description: {croissant / 'croissant.json'}")
    if mlflow:
        say(f"run {mlflows.write(found, mlflow)} in MLflow: {mlflow}")
