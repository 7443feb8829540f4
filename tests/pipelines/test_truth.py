"""What `dvc.lock`, Dagster and the records say is what happened: seen on a finished project."""

import ast
import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
from clones import commands, locked

import assets
from stages.asset import TOUCHED
from stages.code import ROOT, code_of

pytestmark = pytest.mark.slow

UNTOUCHED = {
    "checkpoint": {"data/preflight.txt"},  # that it is there is all it says
    "raw_images": {"data.convert_quality"},  # nothing is converted
    "model_card": {"models/export/model", "lineage/records"},  # their hash is in dvc.lock
    "champion": {
        *("data/raw_images.parquet", "data/boxes.parquet", "data/rejected.parquet", "data/splits.parquet"),
        "data/tfrecords",
        *("data/detections.parquet", "models/checkpoint", "models/champion", "models/champion.json"),
        "lineage/decisions",
        *("evaluation", "nms"),
    },
}
"""What an asset declares and does not ask for in this run: there is no champion yet to hold the first model against."""


def test_an_asset_touches_what_it_declares_and_nothing_else(finished, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = finished
    monkeypatch.chdir(root)
    with dg.DagsterInstance.from_config(str(root)) as instance:
        for name, stage in assets.graph().items():
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            lines = [entry.user_message for entry in instance.all_logs(event.run_id) if entry.step_key == name]
            said = next(line for line in lines if TOUCHED in line)
            touched = set(json.loads(said[said.index("[") :]))
            declared = {*stage.reads, *stage.sources, *stage.params, *(out.path for out in stage.writes)}
            assert touched <= declared, name
            assert declared - touched <= UNTOUCHED.get(name, set()), name


def test_the_mAP_over_the_records_is_in_the_ui(finished, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = finished
    monkeypatch.chdir(root)
    with dg.DagsterInstance.from_config(str(root)) as instance:
        for name in ("model_card", "champion"):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert event.asset_materialization.metadata["timeline"].value.startswith(
                "![mAP over the records](data:image"
            )


def test_equal_work_has_equal_hashes(finished) -> None:
    root, call = finished
    before = locked(root)
    call("plates", "materialize", "boxes", "dataset_card", "evaluation")
    assert locked(root) == before


def test_a_clone_that_pulled_is_current_and_its_champion_comes_out_again(finished, tmp_path: Path) -> None:
    """What DVC keeps comes from the remote, the rest is in Git: the clone has nothing to do but look at the folder.

    It has no photographs and no history of Dagster's, and evaluates the champion to the same bytes.
    """
    root, call = finished
    call("dvc", "remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    call("dvc", "push", "--quiet")
    call("git", "add", "--all")
    call("git", "commit", "--quiet", "--allow-empty", "-m", "a run")
    call("git", "clone", "--quiet", str(root), str(tmp_path / "clone"))
    shutil.copy2(root / ".dvc/config.local", tmp_path / "clone/.dvc/config.local")
    there = commands(tmp_path / "clone")
    there("dvc", "pull", "--quiet")
    status = there("dvc", "status", "--json").stdout
    assert ast.literal_eval(status.strip()) == {"raw_images": ["always changed"]}
    shutil.rmtree(tmp_path / "clone/data/sample", ignore_errors=True)
    champion = json.loads((tmp_path / "clone/models/champion.json").read_text())["record"]
    said = there("plates", "lineage", "verify", champion).stdout
    assert f"record {champion[:8]} is reproduced to the last digit" in said
    assert "identical bytes: data/detections.parquet" in said


def test_editing_any_module_makes_its_stages_stale_in_both_doors(finished) -> None:
    """And no other stage: the modules of the clone, each edited."""
    _, call = finished
    packages = ("assets", "checks", "pipelines", "plates", "stages")
    modules = sorted(str(path.relative_to(ROOT)) for part in packages for path in (ROOT / part).rglob("*.py"))
    said = json.loads(call("python", str(Path(__file__).with_name("edit_each_module.py")), *modules).stdout)
    closures = {name: set(code_of(stage)) for name, stage in assets.graph().items()}
    for module in modules:
        expected = sorted(name for name, closure in closures.items() if module in closure)
        assert said[module] == [expected, expected], module
