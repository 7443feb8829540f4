"""What is exported is read back by the tool's own library, whole."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from recorded import make

from plates.columns import BOX
from plates.errors import UserError
from plates.hashes import content_hash
from plates.lineage.exports import croissant, mlflow, openlineage
from plates.lineage.record import Record, flat
from plates.scoring import outcomes

BESIDE = "{} is not installed: pip install -e '.[interop]'"


@pytest.fixture
def record(project: Path) -> Record:
    """A record of two stages and two photographs, one of them without a plate."""
    box = dict(zip(BOX, (10.0, 20.0, 100.0, 50.0), strict=True))
    rows = [
        {"path": "a.jpg", "sha256": b"a" * 32, "class": "license_plate", **box, "split": "train"},
        {"path": "b.jpg", "sha256": b"b" * 32, "split": "test"},
    ]
    file = project / "outcomes.parquet"
    outcomes.write(file, pa.Table.from_pylist(rows, schema=outcomes.SCHEMA))
    written = {"data/outcomes.parquet": file.read_bytes(), "data/raw_images.parquet": b"raw"}
    record = make(project, "one", "a: 1\n", written, outcomes=content_hash(file), door="plates run")
    raw = {"path": "data/raw_images.parquet", "md5": record.outputs["data/raw_images.parquet"]}
    made = {"path": "data/made.txt", "md5": record.outputs["data/made.txt"]}
    code = {"path": "assets/step.py", "md5": "0" * 32}
    stages = {"raw_images": {"deps": [code], "outs": [raw]}, "made": {"deps": [dict(raw), dict(code)], "outs": [made]}}
    return record.model_copy(update={"dvc_lock": yaml.safe_dump({"stages": stages}, sort_keys=False)})


def test_openlineage_reads_its_events_back(record: Record, tmp_path: Path) -> None:
    client = pytest.importorskip("openlineage.client", reason=BESIDE.format("openlineage-python"))
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    assert openlineage.write(record, str(tmp_path / "events.jsonl")) == 2
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    for event in events:
        read = RunEvent(
            eventType=RunState(event["eventType"]),
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=Run(**event["run"]),
            job=Job(**event["job"]),
            inputs=[InputDataset(**one) for one in event["inputs"]],
            outputs=[OutputDataset(**one) for one in event["outputs"]],
        )
        assert json.loads(client.serde.Serde.to_json(read)) == event
    first, last = events
    assert [one["name"] for one in (*first["outputs"], *last["inputs"])] == ["data/raw_images.parquet"] * 2
    assert last["inputs"][0]["facets"]["version"]["datasetVersion"] == record.outputs["data/raw_images.parquet"]
    assert last["run"]["facets"]["plates_record"]["metrics"] == {"mAP": 0.3}


def test_events_are_posted_to_an_endpoint_and_its_refusal_is_said(record: Record) -> None:
    taken: list[tuple[str, dict]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201 if len(taken) < 4 else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        openlineage.write(record, address)
        assert taken == [("/api/v1/lineage", event) for event in openlineage.events(record)]
        with pytest.raises(UserError, match="HTTP Error 500"):
            openlineage.write(record, address)
        server.shutdown()
    with pytest.raises(UserError, match="refuses the events"):
        openlineage.write(record, address)


def test_croissant_reads_the_data_set_back(project: Path, record: Record, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason=BESIDE.format("mlcroissant"))
    croissant.write(project, record, tmp_path / "croissant")
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant/croissant.json")
    labelled, empty = dataset.records("annotations")
    assert {key.removeprefix("annotations/"): value for key, value in labelled.items()} == {
        "path": b"a.jpg",
        "sha256": (b"a" * 32).hex().encode(),
        "class": b"license_plate",
        **dict(zip(BOX, (10.0, 20.0, 100.0, 50.0), strict=True)),
        "split": b"train",
        "rejected": b"",
    }
    assert (empty["annotations/path"], empty["annotations/class"]) == (b"b.jpg", b"")
    assert dataset.metadata.version == f"1.0.0+{record.outputs['data/raw_images.parquet'][:8]}"


def test_without_outcomes_there_is_no_description(project: Path, record: Record, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not kept here"):
        croissant.write(project, record.model_copy(update={"outcomes": None}), tmp_path / "croissant")


def test_mlflow_has_the_run_once(record: Record, tmp_path: Path) -> None:
    skinny = pytest.importorskip("mlflow", reason=BESIDE.format("mlflow-skinny"))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run = mlflow.write(record, uri)
    assert mlflow.write(record, uri) == run
    data = skinny.MlflowClient(tracking_uri=uri).get_run(run).data
    assert data.metrics == {"mAP": 0.3}
    assert data.params == {name: str(value) for name, value in flat(record.params).items()}
    assert data.tags["plates.record"] == record.id
    assert data.tags["mlflow.source.git.commit"] == record.code["commit"]
    with pytest.raises(UserError, match="MLflow says"):
        mlflow.write(record, f"{tmp_path}/a-folder")


def test_an_interrupted_export_to_mlflow_is_made_again(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skinny = pytest.importorskip("mlflow", reason=BESIDE.format("mlflow-skinny"))
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(skinny.MlflowClient, "log_text", stopped)
        with pytest.raises(KeyboardInterrupt):
            mlflow.write(record, uri)
    run = skinny.MlflowClient(tracking_uri=uri).get_run(mlflow.write(record, uri))
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in flat(record.params).items()}
    assert mlflow.write(record, uri) == run.info.run_id
