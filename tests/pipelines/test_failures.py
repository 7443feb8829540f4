"""A run that failed while nobody watched says why: in a file, and to a command of the user's own."""

from pathlib import Path

import dagster as dg
import pytest

from pipelines.failures import FILE, failed_runs
from pipelines.reason import early
from pipelines.tags import PROJECT
from plates.errors import UserError
from plates.settings.project import Project


@dg.op
def breaks() -> None:
    raise dg.Failure("the photographs are gone. Put them back", allow_retries=False)


@dg.job
def broken() -> None:
    breaks()


def failed(root: Path, tags: dict[str, str]) -> object:
    """What the sensor makes of a run of `broken`."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = broken.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
        (event,) = [one for one in result.all_events if one.event_type == dg.DagsterEventType.RUN_FAILURE]
        context = dg.build_run_status_sensor_context(
            "failed_runs", event, instance, result.dagster_run, resources={"project": Project(root)}
        )
        return failed_runs(context.for_run_failure())


@pytest.mark.parametrize("command", ["cat > told", "cat > told; false"])
def test_the_reason_is_in_a_file_and_reaches_the_command(tmp_path: Path, command: str) -> None:
    (tmp_path / "params.yaml").write_text(f"retrain:\n  on_failure: {command!r}\n")
    failed(tmp_path, {})
    said = (tmp_path / FILE).read_text()
    assert "(broken) failed\nbreaks: the photographs are gone. Put them back\n" in said
    assert "plates status" in said
    assert (tmp_path / "told").read_text() == said


def test_a_run_of_the_terminal_has_said_it_there(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("retrain:\n  on_failure: touch told\n")
    assert isinstance(failed(tmp_path, {PROJECT: "id"}), dg.SkipReason)
    assert not (tmp_path / FILE).exists()
    assert not (tmp_path / "told").exists()


@dg.resource
def refused() -> None:
    raise UserError("evaluation.max_detections 200 is more than nms.max_output_size 100")


@dg.job(resource_defs={"settings": refused})
def never_begun() -> None:
    dg.op(name="needs", required_resource_keys={"settings"})(lambda context: None)()


def test_a_run_that_fails_before_its_first_asset_says_why() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = never_begun.execute_in_process(instance=instance, raise_on_error=False)
        assert not list(result.get_step_failure_events())
        assert early(instance, result.run_id) == "evaluation.max_detections 200 is more than nms.max_output_size 100"
