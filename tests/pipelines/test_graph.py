"""`dvc.yaml` and the assets are one graph, which loads quickly and without what trains."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines import deliveries

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
        if key != deliveries.delivery.key  # judged alone: no stage, and nothing reads it
    }


def test_dvc_yaml_is_what_the_assets_declare_and_import() -> None:
    from pipelines.dvc_yaml import FILE, PLOTS, render

    text = FILE.read_text(encoding="utf-8")
    assert text == render(text[text.index(PLOTS) :]), "run `make docs`"


def test_the_page_is_what_dagster_loads() -> None:
    from pipelines.page import PAGE, render

    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`, and look at what changed"


def test_what_an_asset_reads_is_upstream_of_it(graph: dict[str, set[str]]) -> None:
    import assets

    stages = assets.graph()
    writers = assets.writers(stages)
    every = stages | assets.on_request()
    assert graph == {name: {writers[path].name for path in stage.reads} for name, stage in every.items()}


def test_every_declared_parameter_exists() -> None:
    import assets
    from plates.settings.params import Params

    for name, stage in assets.graph().items():
        for key in stage.params:
            place = Params().model_dump()
            for part in key.split("."):
                assert part in place, f"{name}: {key}"
                place = place[part]


def test_dvc_keeps_in_place_only_what_it_does_not_make_anew() -> None:
    """`persist` takes a stage out of DVC's run cache: only history that grows and the model in service may have it."""
    import assets

    kept = {out.path for stage in assets.graph().values() for out in stage.writes if out.persist}
    assert kept == {"lineage/records", "lineage/decisions", "models/champion", "models/champion.json"}


def test_every_asset_says_what_it_is(graph: dict[str, set[str]]) -> None:
    from pipelines.definitions import defs

    resolved = defs.resolve_asset_graph()
    for name in graph:
        node = resolved.get(dg.AssetKey(name))
        assert node.description
        assert node.group_name in ("data", "model")
        assert node.kinds
        assert node.code_version
        assert node.owners
        assert node.metadata["dagster/code_references"].code_references[0].file_path.endswith(f"assets/{name}.py")


def requested(instance: dg.DagsterInstance, cursor: Any) -> tuple[set[str], Any]:
    from pipelines.definitions import defs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        result = dg.evaluate_automation_conditions(defs, instance, cursor=cursor)
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    return {key.to_user_string() for key in keys if result.get_num_requested(key)}, result.cursor


def test_new_content_is_worked_on_by_itself_and_the_same_content_is_not() -> None:
    """Up to the first check that blocks: what comes after waits for its verdict."""
    with dg.DagsterInstance.ephemeral() as instance:
        chosen, cursor = requested(instance, None)
        assert chosen == set()
        for content, expected in (
            ("1", {"labels", "boxes", "splits"}),
            ("1", set()),
            ("2", {"labels", "boxes", "splits"}),
        ):
            made = dg.AssetMaterialization("raw_images", tags={"dagster/data_version": content})
            instance.report_runless_asset_event(made)
            chosen, cursor = requested(instance, cursor)
            assert chosen == expected
            assert requested(instance, cursor)[0] == set(), "asked for once"


def test_definitions_and_commands_load_without_what_trains() -> None:
    code = "import sys, pipelines.definitions, pipelines.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_dagster_selections_work_beside_dvc() -> None:
    """DVC's own pins bring an antlr that breaks this with `TypeError: ord()` (dagster issue 27487)."""
    from pipelines.definitions import defs

    selection = dg.AssetSelection.from_string('group:"model" and +key:"evaluation"')
    chosen = selection.resolve(defs.resolve_asset_graph())
    assert {key.to_user_string() for key in chosen} == {"preflight", "checkpoint", "evaluation"}
