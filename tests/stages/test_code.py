"""An asset's code is what its file imports, down to the ground."""

import ast
from pathlib import Path

import pytest

import assets
from plates.errors import UserError
from stages import code

GRAPH = assets.graph()


def stages_with(path: str) -> set[str]:
    return {name for name, stage in GRAPH.items() if path in code.code_of(stage)}


def test_the_definition_of_the_test_set_is_code_of_whatever_scores_fits_or_looks_at_it() -> None:
    assert stages_with("plates/scoring/truth.py") == {"anchors", "preflight", "evaluation", "champion"}


def test_class_ids_are_code_of_the_tfrecords() -> None:
    assert "tfrecords" in stages_with("plates/ccpd/table.py") & stages_with("plates/coco/convert.py")


def test_the_loss_is_code_of_training_only() -> None:
    assert stages_with("plates/efficientdet/training/losses.py") == {"checkpoint"}


def test_what_chooses_the_best_weights_is_code_of_training() -> None:
    for path in ("plates/efficientdet/evaluation/metrics.py", "plates/efficientdet/inference/postprocess.py"):
        assert "checkpoint" in stages_with(path)


def test_checks_beside_the_gate_of_boxes_are_code_of_no_asset() -> None:
    for name in ("on_data", "on_model", "report"):
        assert stages_with(f"checks/{name}.py") == set()
    assert "boxes" in stages_with("checks/suites/geometry.py")


def test_pictures_are_code_of_assets_that_write_pages_only() -> None:
    assert stages_with("plates/card/page.py") == {"dataset_card"}
    assert stages_with("plates/card/page.html.j2") == {"dataset_card"}


def test_plumbing_and_settings_are_code_of_none() -> None:
    for path in ("plates/files.py", "plates/errors.py", "plates/settings/params.py", "stages/asset.py"):
        assert stages_with(path) == set()


@pytest.mark.parametrize("name", GRAPH)
def test_every_import_of_every_module_is_followed_or_left_out_by_name(name: str) -> None:
    """Walks the closure a second way: each import statement of each file, resolved by the file system alone."""
    listed = set(code.code_of(GRAPH[name]))
    left_out = code.PLUMBING if GRAPH[name].writes_pages else code.PLUMBING + code.PICTURES
    for path in filter(lambda path: path.endswith(".py"), listed):
        for node in ast.walk(ast.parse((code.ROOT / path).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for module in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                file = module.replace(".", "/") + ".py"
                if module.split(".")[0] in code.FOLLOWED and (code.ROOT / file).is_file():
                    known = any(module == one or module.startswith(f"{one}.") for one in left_out)
                    assert file in listed or known, f"{path} imports {module}"


def test_code_of_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"python -m pipelines\.cli"):
        code.require_own_code(tmp_path)
