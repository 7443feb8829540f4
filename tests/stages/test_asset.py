"""What an asset did is what is recorded: undeclared reads fail, and so do edits while it runs."""

import errno
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import assets
import checks
from plates.errors import UserError
from plates.settings.project import Project
from stages import snapshot, uncommitted
from stages.asset import definition, require
from stages.dvc_commit import commit
from stages.dvc_lock import value
from stages.run import Run, UndeclaredError
from stages.stage import Stage, asset
from stages.uncommitted import blocking_check

PARAMS = "split:\n  seed: 0\ngate:\n  min_value: 0.1\n"
DVC = """stages:
  made:
    cmd: 'true'
    deps: [data/given.txt]
    params: [split.seed]
    outs: [data/made.txt]
"""
GIVEN = """  given:
    cmd: 'true'
    outs:
    - path: data/given.txt
      md5: b9f4c1cc743af7b09673ba380390d2f1
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Git and DVC repository without files of its own."""
    root = tmp_path_factory.mktemp("project")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=root, check=True)
    return root


@pytest.fixture
def root(empty: Path) -> Path:
    """A project with one stage, whose input is there and whose output is not."""
    (empty / "dvc.lock").unlink(missing_ok=True)
    (empty / "data").mkdir(exist_ok=True)
    (empty / "data/made.txt").unlink(missing_ok=True)
    (empty / "data/given.txt").write_text("given")
    (empty / "params.yaml").write_text(PARAMS)
    (empty / "dvc.yaml").write_text(DVC)
    return empty


def stage_of(work: Callable[[Run], None]) -> Stage:
    def made(run: Run) -> dict[str, float]:
        run.project.path("data/made.txt").write_text(f"made with {run.params.split.seed}")
        work(run)
        return {"mAP": 0.000178563988, "boxes": 123_456}

    declare = asset(
        reads=["data/given.txt"], params=["split.seed"], writes=["data/made.txt"], group="data", kinds=set(),
        description="A file.",
    )  # fmt: skip
    return declare(made)


@asset(writes=["data/given.txt"], group="data", kinds=set(), description="A file.")
def given(run: Run) -> dict[str, float]:
    return {}


def run_of(
    root: Path, work: Callable[[Run], None], check: Callable[[Project], dg.AssetCheckResult] | None = None
) -> dg.ExecuteInProcessResult:
    project = Project(root)
    stage = stage_of(work)
    made = definition(stage, {"data/given.txt": given}, project, checked=check is not None)
    checks = [blocking_check(asset="made", description="It is sound.")(check)] if check else []
    return dg.materialize([made, *checks], resources={"project": project}, raise_on_error=False)


def reason(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    data = failure.step_failure_data
    return (data.user_failure_data and data.user_failure_data.description) or data.error.to_string()


def test_what_was_made_is_told_to_dvc(root: Path) -> None:
    assert run_of(root, lambda run: None).success
    lock = (root / "dvc.lock").read_text()
    assert "split.seed: 0" in lock
    status = [sys.executable, "-m", "dvc", "status", "made"]
    assert "up to date" in subprocess.run(status, cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("sound", [True, False])
def test_dvc_is_told_of_what_passed_its_check(root: Path, sound: bool) -> None:
    def check(project: Project) -> dg.AssetCheckResult:
        assert not (root / "dvc.lock").exists(), "not before the check"
        return dg.AssetCheckResult(passed=sound)

    assert run_of(root, lambda run: None, check).success is sound
    assert (root / "dvc.lock").exists() is sound


def test_a_parameter_edited_before_the_check_is_not_recorded(root: Path) -> None:
    def check(project: Project) -> dg.AssetCheckResult:
        (root / "params.yaml").write_text(PARAMS.replace("seed: 0", "seed: 3"))
        return dg.AssetCheckResult(passed=True)

    result = run_of(root, lambda run: None, check)
    assert not result.success
    assert "edited while made was recorded: params.yaml: split.seed" in reason(result)
    assert not (root / "dvc.lock").exists()


def test_an_asset_has_one_blocking_check_at_most() -> None:
    specs = [spec for one in dg.load_asset_checks_from_package_module(checks) for spec in one.check_specs]
    blocking = Counter(spec.asset_key.to_user_string() for spec in specs if spec.blocking)
    assert set(blocking) == {"splits", "tfrecords", "anchors", "evaluation", "exported_model"}
    assert set(blocking.values()) == {1}


def test_nobody_vouches_for_what_is_out_of_date(root: Path) -> None:
    """A record says with which settings everything before it was made: those of now, if that is true."""
    assert run_of(root, lambda run: None).success
    made = stage_of(lambda run: None)
    card = asset(reads=["data/made.txt"], writes=["card.md"], group="data", kinds=set(), description="", vouches=True)
    vouching = card(lambda run: {})
    maker = {"data/given.txt": given, "data/made.txt": made}
    (root / "dvc.lock").write_text((root / "dvc.lock").read_text() + GIVEN)
    require(Project(root), vouching, maker)
    (root / "params.yaml").write_text(PARAMS.replace("seed: 0", "seed: 3"))
    with pytest.raises(UserError, match=r"made \(split.seed 0 -> 3\) is out of date. Make it: plates run"):
        require(Project(root), vouching, maker)


def test_figures_are_shown_with_four_digits(root: Path) -> None:
    (shown,) = run_of(root, lambda run: None).get_asset_materialization_events()
    metadata = shown.materialization.metadata
    assert metadata["mAP"].value == 0.0001786
    assert metadata["boxes"].value == 123_456


@pytest.mark.parametrize("door", ["dagster", "dvc"])
def test_a_parameter_edited_meanwhile_is_not_recorded(root: Path, monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    if door == "dvc":
        monkeypatch.setenv("DVC_STAGE", "made")
    result = run_of(root, lambda run: (root / "params.yaml").write_text(PARAMS.replace("seed: 0", "seed: 3")))
    assert not result.success
    assert "params.yaml: split.seed 0 -> 3" in reason(result)
    assert "plates run" in reason(result)
    assert not (root / "dvc.lock").exists()


def test_a_parameter_that_the_stage_does_not_read_may_be_edited_meanwhile(root: Path) -> None:
    assert run_of(root, lambda run: (root / "params.yaml").write_text(PARAMS.replace("0.1", "0.2"))).success


@pytest.mark.parametrize("door", ["dagster", "dvc"])
def test_an_input_replaced_meanwhile_is_not_recorded(root: Path, monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    if door == "dvc":
        monkeypatch.setenv("DVC_STAGE", "made")
    result = run_of(root, lambda run: (root / "data/given.txt").write_text("another"))
    assert "input data/given.txt" in reason(result)
    assert not (root / "dvc.lock").exists()


@pytest.mark.parametrize(
    ("error", "tries", "said"),
    [
        (OSError(errno.EIO, "the network disk is away"), 3, "the disk failed to read or write"),
        (sqlite3.OperationalError("database is locked"), 3, "stayed locked by another process"),
        (OSError(errno.ENOSPC, "full"), 1, "is full"),
        (ValueError("a fault of the code"), 1, "a fault of the code"),
    ],
)
def test_what_may_pass_is_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int, said: str
) -> None:
    monkeypatch.setattr("stages.asset.WAIT_S", 0)
    tried = []

    def fail(run: Run) -> None:
        tried.append(1)
        raise error

    result = run_of(root, fail)
    assert not result.success
    assert len(tried) == tries
    assert said in reason(result)


def test_what_passed_is_made(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.asset.WAIT_S", 0)
    tried = []

    def fail_once(run: Run) -> None:
        tried.append(1)
        if len(tried) == 1:
            raise ConnectionResetError("the store went away")

    assert run_of(root, fail_once).success
    assert "split.seed: 0" in (root / "dvc.lock").read_text()


def test_code_edited_meanwhile_is_named(root: Path) -> None:
    stage = stage_of(lambda run: None)
    before = snapshot.Snapshot({"assets/made.py": "1"}, {"split.seed": 0}, {})
    with pytest.raises(UserError, match=r"code assets/made\.py"):
        before.require_unchanged(snapshot.Snapshot({"assets/made.py": "2"}, {"split.seed": 0}, {}), stage)


def test_an_edit_just_before_dvc_records_puts_dvc_lock_back(root: Path) -> None:
    assert run_of(root, lambda run: None).success
    before = (root / "dvc.lock").read_bytes()
    began = snapshot.take(Project(root), stage_of(lambda run: None))
    (root / "params.yaml").write_text(PARAMS.replace("seed: 0", "seed: 3"))
    with pytest.raises(UserError, match=r"split\.seed"):
        commit(root, "made", began)
    assert (root / "dvc.lock").read_bytes() == before


def test_without_a_dvc_lock_before_there_is_none_after(root: Path) -> None:
    (root / "data/made.txt").write_text("made with 0")
    began = snapshot.Snapshot({}, {"split.seed": 3}, {})
    with pytest.raises(UserError, match=r"split\.seed"):
        commit(root, "made", began)
    assert not (root / "dvc.lock").exists()


def test_a_result_of_other_inputs_is_not_told_by_its_check(root: Path) -> None:
    """A kill left the result without its check; then the input was made again, and the check is run alone."""
    project = Project(root)
    uncommitted.keep(project, "made", snapshot.take(project, stage_of(lambda run: None)))
    (root / "data/made.txt").write_text("made with 0")
    (root / "data/given.txt").write_text("given another time")

    def sound(project: Project) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    check = blocking_check(asset="made", description="It is sound.")(sound)
    for said in ("made was made from another data/given.txt", None):
        result = dg.materialize(
            [dg.AssetSpec("made"), check],
            resources={"project": project},
            raise_on_error=False,
            selection=dg.AssetSelection.checks(check),
        )
        assert result.success is (said is None)
        assert not (root / "dvc.lock").exists()
        if said:
            assert said in reason(result)


def test_a_file_that_is_not_declared_cannot_be_read(root: Path) -> None:
    result = run_of(root, lambda run: run.project.path("data/other.txt").exists())
    assert "made uses data/other.txt" in reason(result)


def test_a_parameter_that_is_not_declared_cannot_be_read(root: Path) -> None:
    run = Run(Project(root), stage_of(lambda run: None), "version", None, "run")
    assert run.params.split.seed == 0
    with pytest.raises(UndeclaredError, match="parameter gate:"):
        print(run.params.gate.min_value)
    with pytest.raises(UndeclaredError, match=r"split\.method"):
        print(run.params.split.method)
    assert run.project.touched == {"split.seed"}


def test_a_number_that_yaml_reads_as_text_is_the_number() -> None:
    assert value("train.learning_rate", {"train.learning_rate": "1e-3"}) == 0.001
    assert value("split", {"split": {"seed": 2}})["seed"] == 2
    assert value("split.seed", {}) == 0, "the default of what params.yaml leaves out"
    assert value("split.seed", {"split.seed": "of another version"}) == "of another version"


@pytest.mark.parametrize("path", [path for path in assets.writers(assets.graph()) if path.endswith(".parquet")])
def test_another_table_in_the_place_of_an_input_is_named(tmp_path: Path, path: str) -> None:
    graph = assets.graph()
    readers = [stage for stage in graph.values() if path in stage.reads]
    (tmp_path / "params.yaml").write_text("{}")
    for stage in readers:
        for other in (*stage.reads, *stage.sources):
            (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / other).touch()
        pd.DataFrame({"path": ["a.jpg"], "other": [1]}).to_parquet(tmp_path / path)
        with pytest.raises(UserError, match=f"needs .*{path} .a different table is in its place: .*plates run"):
            require(Project(tmp_path), stage, assets.writers(graph))
    assert readers or path in ("data/detections_val.parquet", "data/outcomes.parquet")
