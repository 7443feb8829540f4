"""Dagster's history in a real Postgres, by `deploy/dagster.yaml`: in one process, and as a deployment divides it."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import pytest
from clones import clone
from dagster._core.instance.ref import InstanceRef
from served import PATIENCE_S, free_port, served

import assets
from plates.settings import edit
from plates.settings.project import Project
from stages.asset import definition

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SAMPLE = {"data.sample.count": 20}


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """The variables of `deploy/dagster.yaml` for a Postgres that was just made, on 127.0.0.1."""
    pytest.importorskip("dagster_postgres", reason="pip install -e '.[postgres]'")
    if not PROGRAMS:
        pytest.skip("no Postgres server on this machine: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # its programs refuse root
    folder, port = Path(tempfile.mkdtemp()), free_port()
    shutil.chown(folder, user)

    def program(name: str, *words: str) -> None:
        subprocess.run(
            [PROGRAMS[-1] / name, *words], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120
        )

    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    try:
        program("initdb", "--auth=trust", "--username=dagster", "--no-sync", "--pgdata", f"{folder}/data")
        program("pg_ctl", "start", "--wait", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options)
        program("createdb", "--host=127.0.0.1", f"--port={port}", "--username=dagster", "dagster")
        of = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "dagster", "PASSWORD": "any", "DB": "dagster"}
        yield {f"DAGSTER_POSTGRES_{name}": value for name, value in of.items()}
    finally:
        program("pg_ctl", "stop", "--mode=immediate", "-D", f"{folder}/data")
        shutil.rmtree(folder)


def test_an_asset_is_made_and_its_history_is_in_postgres(
    tmp_path: Path, database: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = clone(tmp_path / "project")
    edit.write(root / "params.yaml", SAMPLE)
    monkeypatch.chdir(root)
    for name, value in database.items():
        monkeypatch.setenv(name, value)
    project = Project(root)
    made = definition(assets.graph()["raw_images"], {}, project)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(DEPLOY))) as instance:
        result = dg.materialize([made], instance=instance, resources={"project": project})
    assert result.success
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(DEPLOY))) as another:
        (run,) = another.get_runs()
        assert run.run_id == result.run_id
        event = another.get_latest_materialization_event(dg.AssetKey("raw_images"))
    assert event
    assert event.asset_materialization
    assert event.asset_materialization.metadata["images"].value == SAMPLE["data.sample.count"]
    assert list(root.rglob("*.db")) == []


@contextmanager
def running(root: Path, environment: dict[str, str], *words: str) -> Iterator[None]:
    process = subprocess.Popen(words, cwd=root, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def ask(address: str, query: str, **variables: object) -> dict[str, object]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"http://{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer)["data"])


LAUNCH = """mutation($of: ExecutionParams!) {
  launchRun(executionParams: $of) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
SELECTOR = {
    "repositoryLocationName": "plates",
    "repositoryName": "__repository__",
    "jobName": "__ASSET_JOB",
    "assetSelection": [{"path": ["raw_images"]}, {"path": ["labels"]}],
}


@pytest.mark.long
def test_webserver_daemon_and_worker_are_processes_of_their_own(
    tmp_path: Path, database: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the commands of `deploy/compose.yaml`, each on this machine in place of a container."""
    root = clone(tmp_path / "project")
    shutil.copytree(DEPLOY, root / "deploy")
    (root / ".env").unlink()
    edit.write(root / "params.yaml", SAMPLE)
    for name, value in {**database, "DAGSTER_HOME": f"{root}/deploy", "PLATES_WORKER": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    workspace = root / "deploy/workspace.yaml"
    workspace.write_text(workspace.read_text().replace("4000", str(port)))
    environment = {**os.environ, "PYTHONPATH": str(root)}
    programs = Path(sys.executable).parent
    with ExitStack() as stack:
        server = (f"{programs}/dagster", "code-server", "start", "--host", "127.0.0.1", "--port", str(port))
        stack.enter_context(running(root, environment, *server, "--module-name", "pipelines.definitions"))
        daemon = (f"{programs}/dagster-daemon", "run", "--workspace", "deploy/workspace.yaml")
        stack.enter_context(running(root, environment, *daemon))
        webserver = (sys.executable, "-m", "pipelines.webserver", "--workspace", workspace)
        address = stack.enter_context(served(root, *webserver, "", home=root / "deploy"))
        deadline = time.monotonic() + PATIENCE_S
        while "launchRun" not in (said := ask(address, LAUNCH, of={"selector": SELECTOR})) or (
            said["launchRun"]["__typename"] != "LaunchRunSuccess"
        ):
            assert time.monotonic() < deadline, said
            time.sleep(1)
        while (status := ask(address, "{runsOrError{...on Runs{results{status}}}}")["runsOrError"]["results"]) != [
            {"status": "SUCCESS"}
        ]:
            assert time.monotonic() < deadline + PATIENCE_S, status
            time.sleep(1)
    assert (root / "data/labels.parquet").exists()
