"""`dvc.yaml` and the assets are one graph, which loads quickly and without what trains."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"tensorflow", "keras", "great_expectations", "matplotlib", "dvc", "jax"}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Asset name to the names of the assets it depends on."""
    from pipelines.definitions import defs

    resolved = defs.resolve_asset_graph()
    return {
        key.to_user_string(): {parent.to_user_string() for parent in resolved.get(key).parent_keys}
        for key in resolved.get_all_asset_keys()
    }


def stages() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def outputs(stage: dict) -> list[str]:
    items = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [item if isinstance(item, str) else next(iter(item)) for item in items]


def test_a_stage_for_every_asset_and_it_runs_that_asset(graph: dict[str, set[str]]) -> None:
    assert {name: stage["cmd"] for name, stage in stages().items()} == {
        name: f"plates materialize {name}" for name in graph
    }


def test_the_files_a_stage_reads_come_from_assets_upstream(graph: dict[str, set[str]]) -> None:
    """What DVC takes from another stage is upstream in Dagster, and every parent in Dagster comes before in DVC."""
    maker = {path: name for name, stage in stages().items() for path in outputs(stage)}

    def ancestors(name: str) -> set[str]:
        return graph[name].union(*(ancestors(parent) for parent in graph[name])) if graph[name] else set()

    direct = {name: {maker[dep] for dep in stage.get("deps", []) if dep in maker} for name, stage in stages().items()}

    def before(name: str) -> set[str]:
        return direct[name].union(*(before(parent) for parent in direct[name])) if direct[name] else set()

    for name in graph:
        assert direct[name] <= ancestors(name), f"{name}: DVC reads what Dagster does not wait for"
        assert graph[name] <= before(name), f"{name}: Dagster waits for what DVC does not"


def test_every_file_of_code_and_every_parameter_that_a_stage_names_exists() -> None:
    from plates.settings.params import Params

    made = {path for stage in stages().values() for path in outputs(stage)}
    known = Params().model_dump()
    for name, stage in stages().items():
        assert [dep for dep in stage["deps"] if dep not in made and not (ROOT / dep).exists()] == [], name
        for key in stage.get("params", []):
            place = known
            for part in key.split("."):
                assert part in place, f"{name}: {key}"
                place = place[part]


def test_a_stage_depends_on_the_file_of_its_asset() -> None:
    assert [name for name, stage in stages().items() if f"assets/{name}.py" not in stage["deps"]] == []


def test_every_asset_says_what_it_is(graph: dict[str, set[str]]) -> None:
    from pipelines.definitions import defs

    resolved = defs.resolve_asset_graph()
    for name in graph:
        node = resolved.get(dg.AssetKey(name))
        assert node.description
        assert node.group_name in ("data", "model")
        assert node.kinds
        assert node.code_version


def test_definitions_load_without_what_trains() -> None:
    code = "import sys, pipelines.definitions; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_dagster_selections_work_beside_dvc() -> None:
    """DVC's own pins bring an antlr that breaks this with `TypeError: ord()` (dagster issue 27487)."""
    from pipelines.definitions import defs

    selection = dg.AssetSelection.from_string('group:"model" and +key:"evaluation"')
    chosen = selection.resolve(defs.resolve_asset_graph())
    assert {key.to_user_string() for key in chosen} == {"checkpoint", "evaluation"}
