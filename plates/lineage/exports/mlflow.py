"""A record as a run in MLflow: parameters, figures, tags that lead back, and the record itself as an artifact."""

import json
from datetime import datetime
from typing import Any

from plates.errors import UserError
from plates.lineage.record import Record, flat

EXPERIMENT = "plates"
TAG = "plates.record"
BATCH = 100
"""Parameters that MLflow takes at once."""


def write(record: Record, uri: str) -> str:
    """Writes the run, or finds the one that was written before, and returns its id.

    Args:
        record: to export.
        uri: MLflow's tracking URI: the address of a server, or a database such as `sqlite:///mlflow.db`.

    Raises:
        UserError: MLflow is not installed, or does not take the run.
    """
    try:
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise UserError("MLflow is not installed: pip install -e '.[mlflow]'") from None
    try:
        return _write(record, uri)
    except MlflowException as error:
        raise UserError(f"{uri}: MLflow says {error}") from error


def figures(record: Record) -> dict[str, float]:
    """The numbers among the metrics."""
    return {
        name: float(value)
        for name, value in record.metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def tags(record: Record) -> dict[str, Any]:
    """What leads from a run in MLflow back to the record, the code and the data."""
    found = {
        TAG: record.id,
        "mlflow.source.git.commit": record.code["commit"],
        "plates.code": record.code.get("tree"),
        "plates.door": record.door,
        **{
            f"plates.data.{path.rsplit('/', 1)[-1]}": md5
            for path, md5 in record.outputs.items()
            if path.startswith("data/")
        },
        **{f"plates.run.{name}": value for name, value in record.runs.items()},
    }
    return {name: value for name, value in found.items() if value}


def _write(record: Record, uri: str) -> str:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    for before in client.search_runs([number], f"tags.`{TAG}` = '{record.id}'"):
        if before.info.status == "FINISHED":
            return str(before.info.run_id)
        client.delete_run(before.info.run_id)  # an export that was interrupted
    at = int(datetime.fromisoformat(record.time).timestamp() * 1000)
    run = client.create_run(number, start_time=at, run_name=record.short).info.run_id
    metrics = [Metric(name, value, at, 0) for name, value in figures(record).items()]
    params = [Param(name, str(value)) for name, value in flat(record.params).items()]
    client.log_batch(run, metrics=metrics, tags=[RunTag(name, str(value)) for name, value in tags(record).items()])
    for start in range(0, len(params), BATCH):
        client.log_batch(run, params=params[start : start + BATCH])
    client.log_text(run, json.dumps(record.model_dump(), indent=2), f"{record.id}.json")
    client.set_terminated(run, end_time=at)
    return str(run)
