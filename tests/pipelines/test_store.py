"""Photographs in an object store start runs and are judged by delivery, as those in a folder."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from stores import BUCKET, make_bucket, put, s3, upload

from pipelines.deliveries import delivery, new_deliveries, validate_deliveries
from pipelines.sensors import new_photographs
from plates import remote
from plates.ccpd.scenes import generate
from plates.photographs.scan import scan
from plates.settings.project import Project

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("scenes") / "scenes", count=12, seed=1, workers=1).folder


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store that answers until the test stops it; what was written just now counts as old."""
    monkeypatch.setattr(remote, "YOUNG_S", -1)
    with s3() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        remote._store.cache_clear()
        make_bucket(environment["AWS_ENDPOINT_URL"])
        yield environment["AWS_ENDPOINT_URL"]
    remote._store.cache_clear()


@pytest.fixture
def project(address: str, scenes: Path, tmp_path: Path) -> Project:
    upload(address, scenes, "photographs/2026-11-01")
    settings = f"data: {{root: s3://{BUCKET}/photographs}}\nretrain: {{settle_minutes: 0}}\n"
    (tmp_path / "params.yaml").write_text(settings, encoding="utf-8")
    return Project(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    remote._store.cache_clear()


def test_new_objects_ask_for_a_run(
    project: Project, address: str, scenes: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(project.photographs, project.scan_cache)
    cursor = None

    def tick() -> list[dg.RunRequest] | str:
        nonlocal cursor
        found = new_photographs.evaluate_tick(dg.build_sensor_context(instance, cursor, resources={"project": project}))
        cursor = found.cursor
        return list(found.run_requests or ()) or str(found.skip_message)

    assert "are changing" in str(tick())
    assert tick() == "no photograph was added, changed or removed since the last scan"
    put(address, "photographs/2026-11-08/ccpd_base/new.jpg", next(scenes.rglob("*.jpg")).read_bytes())
    assert "are changing" in str(tick())
    assert isinstance(tick(), list)
    nothing_answers(monkeypatch)
    assert f"no answer from the store of s3://{BUCKET}" in str(tick())


def test_a_delivery_in_a_store_is_judged_by_itself(
    project: Project, address: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = None

    def tick() -> dg.SensorResult:
        nonlocal cursor
        found = new_deliveries(dg.build_sensor_context(instance, cursor, resources={"project": project}))
        assert isinstance(found, dg.SensorResult)
        cursor = found.cursor or cursor
        return found

    (added,) = tick().dynamic_partitions_requests or ()
    assert added.partition_keys == ["2026-11-01"]
    instance.add_dynamic_partitions("deliveries", ["2026-11-01"])
    assert [request.partition_key for request in tick().run_requests or ()] == ["2026-11-01"]
    put(address, "photographs/2026-11-01/ccpd_base/DSC0001.jpg", b"no JPEG")
    defs = dg.Definitions([delivery], jobs=[validate_deliveries], resources={"project": project})
    done = defs.resolve_job_def("validate_deliveries").execute_in_process(
        partition_key="2026-11-01", instance=instance, run_config={"loggers": {"console": {"config": {}}}}
    )
    (verdict,) = done.asset_materializations_for_node("judge_delivery")
    assert (verdict.metadata["photographs"].value, verdict.metadata["unusable"].value) == (13, 1)
    nothing_answers(monkeypatch)
    assert f"no answer from the store of s3://{BUCKET}" in str(tick().skip_reason)
