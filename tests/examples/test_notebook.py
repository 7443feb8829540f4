"""The notebook runs from its first cell to its last, on a tiny sample."""

from pathlib import Path

import nbformat
import pytest
from clones import ROOT, Command
from nbclient import NotebookClient

NOTEBOOK = ROOT / "examples/fine_tune_ccpd.ipynb"
TINY = {"COUNT": 60, "STEPS": 12, "BATCH": 4}


def test_the_notebook_is_kept_without_what_a_run_printed() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.long
def test_the_notebook_runs(fresh: tuple[Path, Command], monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = fresh
    notebook = nbformat.read(NOTEBOOK, 4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    names = {line.partition(" = ")[0] for line in first.source.splitlines()}
    assert set(TINY) < names
    first.source += "".join(f"\n{name} = {value}" for name, value in TINY.items())
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("DAGSTER_HOME", str(root))
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(root)}}).execute()
    assert (root / "models/export/model/model.onnx").exists()
    last = notebook.cells[-1]
    assert "<Model efficientdet-tiny (onnx)" in last.outputs[0]["text"]
