"""Whichever door a result came through, both doors hold it for current, and the record is there."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from clones import Command

from pipelines import restored
from plates.settings import edit

pytestmark = pytest.mark.slow

CURRENT = {"dvc": {"raw_images": ["always changed"]}, "dagster": {}}


def state(call: Command) -> Any:
    """What each door calls stale."""
    script = Path(__file__).with_name("stale_in_both_doors.py")
    return json.loads(call("python", str(script)).stdout.splitlines()[-1])


def set_seed(root: Path, seed: int) -> None:
    edit.write(root / "params.yaml", edit.parse([f"split.seed={seed}"]))


def test_what_dvc_takes_from_its_cache_is_current_in_dagster_too(finished: tuple[Path, Command]) -> None:
    root, call = finished
    seconds = dg.MetadataValue.float
    set_seed(root, 1)
    call("dg", "launch", "--assets", "splits")
    assert "splits" not in state(call)["dagster"]
    set_seed(root, 0)
    assert "Stage 'splits' is cached" in call("dvc", "repro", "splits").stdout
    assert state(call)["dagster"]["splits"] == ["has a new code version"]
    with dg.DagsterInstance.from_config(str(root)) as instance:
        assert restored.report(root, instance) == ["splits"]
        assert restored.report(root, instance) == []
        told = instance.get_latest_materialization_event(dg.AssetKey("splits")).asset_materialization
    assert "kept by DVC" in told.description
    assert isinstance(told.metadata["seconds"], seconds), "its figures are those of the run that made it"
    assert state(call) == CURRENT
